"""Questions to a model in, answers as text, JSON and one HTML page out."""
