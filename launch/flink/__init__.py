"""A pipeline run in, the same bytes from a real Flink cluster on this machine out: `python -m launch.flink --help`."""
