"""What the pipeline, training and the probes share: errors, the command line, params, and text for a terminal."""
