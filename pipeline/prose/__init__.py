"""Face of prose."""
