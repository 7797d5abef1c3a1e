"""What the pipeline, training and the probes share: errors, the command line, params, presets, terminal."""

__version__ = "0.1.0"  # the one place where it stands: the wheel's metadata is made of it
