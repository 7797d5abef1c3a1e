"""Tell all answers on one page, and the main figures in one JSON file.

Results, models and shards go in; `index.html` and `metrics.json` come out.
"""

__all__ = []
