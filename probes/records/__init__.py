"""Say what a result may hold, and what it was made from.

Models, shards and settings go in, a record of their hashes comes out; a folder of results goes in, and is refused where
it is a mixture. This wing reads files, and writes none.
"""

from probes.records.made_from import MADE_FROM, MadeFrom, ModelFiles, hash_model, made_from
from probes.records.mixture import check_results
from probes.records.numbers import Count, Finite, Fraction, Nats
from probes.records.reading import read_record
from probes.records.training import step_of

__all__ = [
    "MADE_FROM",
    "Count",
    "Finite",
    "Fraction",
    "MadeFrom",
    "ModelFiles",
    "Nats",
    "check_results",
    "hash_model",
    "made_from",
    "read_record",
    "step_of",
]
