"""Trace a text to the rows and articles in which its words stand, by an index of the shards.

Shards become an index, once; token ids and an index go in, runs of tokens with their rows and articles come out. This
wing reads shards and indexes, and writes indexes only.
"""

from probes.trace.answers import generated_texts, recited_texts
from probes.trace.building import build_index
from probes.trace.index import Index, check_index, open_index
from probes.trace.result import TracedText, TraceResult, describe, result_of
from probes.trace.runs import Novelty
from probes.trace.texts import TokenizedText, Vocabulary, from_ids, from_text, vocabulary_of
from probes.trace.tracing import Place, Run, Trace, novelty_of_unseen, trace

__all__ = [
    "Index",
    "Novelty",
    "Place",
    "Run",
    "TokenizedText",
    "Trace",
    "TraceResult",
    "TracedText",
    "Vocabulary",
    "build_index",
    "check_index",
    "describe",
    "from_ids",
    "from_text",
    "generated_texts",
    "novelty_of_unseen",
    "open_index",
    "recited_texts",
    "result_of",
    "trace",
    "vocabulary_of",
]
