"""Face of run."""
