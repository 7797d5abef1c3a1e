"""Do a worker's part of the work: take one unit through the steps, batch by batch.

A work unit and a recipe go in; shards and a report in the work folder come out. Nothing here knows of Beam.
"""

from pipeline.unit.counting import Counted, Counting, counted_words, parts_of
from pipeline.unit.failures import failure, marked_reason
from pipeline.unit.steps import Reading, Recipe, Stream, cleaner_of, cleaners_of, read_redirects

__all__ = [
    "Counted",
    "Counting",
    "Reading",
    "Recipe",
    "Stream",
    "cleaner_of",
    "cleaners_of",
    "counted_words",
    "failure",
    "marked_reason",
    "parts_of",
    "read_redirects",
]
