"""Say how to run, never what: Beam runner options, a local Flink cluster, accelerate configs."""

from wikilm.missing import tell_missing

tell_missing(__name__)
