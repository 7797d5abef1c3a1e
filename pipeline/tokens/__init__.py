"""Face of tokens."""
