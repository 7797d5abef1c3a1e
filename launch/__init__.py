"""Say how to run, never what: Beam runner options, a local Flink cluster, accelerate configs."""
