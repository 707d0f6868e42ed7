"""The human side: how an interrupt lives, and who answers it."""
