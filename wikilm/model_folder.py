"""Name the files by which a model's folder is known as one that was trained here."""

TRAINING = "training.json"  # written by training alone: its settings, figures and curves
TOKENIZER = "tokenizer.json"  # copied byte for byte, so that its hash names the shards it fits
