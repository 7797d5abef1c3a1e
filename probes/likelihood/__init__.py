"""Measure how likely a model finds texts.

A model and texts go in, perplexities come out. This wing reads texts, and writes nothing.
"""

__all__ = []
