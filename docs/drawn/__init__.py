"""What docs/drawings.py draws, and with what."""
