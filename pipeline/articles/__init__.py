"""Face of articles."""
