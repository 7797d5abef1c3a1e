"""Names of files in a model's folder, by which the probes and training itself know a model that was trained here."""

TRAINING = "training.json"  # written by training alone: its settings, figures and curves
TOKENIZER = "tokenizer.json"  # copied byte for byte, so that its hash names the shards it fits
