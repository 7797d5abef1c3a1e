"""Provide what the pipeline, training and the probes share: errors, the command line, parameters, files and shards."""

__version__ = "0.1.0"  # the one place where it stands: the wheel's metadata is made of it
