"""Face of output."""
