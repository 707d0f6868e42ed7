"""What happens when the store, the process or another run gets in the way."""
