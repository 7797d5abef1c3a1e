"""Run the pipeline on a real Flink cluster on this machine: see `python -m launch.flink --help`."""
