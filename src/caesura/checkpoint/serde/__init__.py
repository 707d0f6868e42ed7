"""How values become stored bytes and come back, without ever running what is stored."""
