"""Face of unit."""
