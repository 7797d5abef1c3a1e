"""Face of source."""
