"""Find the articles that are copies of others, by the prints that each unit has taken of its texts.

Texts go in, and later the files of prints of all units; which articles to leave out, and for which others, comes out.
This wing reads and writes in a work folder, by `storage`.
"""

from pipeline.duplicates.groups import lines, read_copies, write_copies
from pipeline.duplicates.matches import Comparison, find_matches
from pipeline.duplicates.prints import NO_PRINTS, Prints, print_columns, print_schema, prints_name, prints_of
from pipeline.duplicates.signatures import prepare

__all__ = [
    "NO_PRINTS",
    "Comparison",
    "Prints",
    "find_matches",
    "lines",
    "prepare",
    "print_columns",
    "print_schema",
    "prints_name",
    "prints_of",
    "read_copies",
    "write_copies",
]
