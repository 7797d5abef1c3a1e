"""Face of storage."""
