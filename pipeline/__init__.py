"""Turn any source of Wikipedia articles into Arrow shards of token rows, with Beam; `flow.py` names the steps."""

from wikilm.missing import tell_missing

tell_missing(__name__)
