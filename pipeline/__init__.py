"""Beam: any source of Wikipedia articles in, Arrow shards of token chunks out; `flow.py` tells the order of it."""

from wikilm.missing import tell_missing

tell_missing(__name__)
