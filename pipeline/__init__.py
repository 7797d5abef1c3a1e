"""Beam: any source of Wikipedia articles in, Arrow shards of token chunks out; `flow.py` tells the order of it."""
