"""Face of prose/compiled."""
