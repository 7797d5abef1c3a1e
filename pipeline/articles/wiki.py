"""Say which of the wikis of a corpus an article is of."""

from dataclasses import dataclass


@dataclass(frozen=True)
class Wiki:
    """One of the wikis that are read together, as far as the digests and rows of its articles know it.

    Attributes:
        number: its place among them, in the alphabetical order of their names, from 0.
        name: as its database is called, such as enwiki; empty where it is the only one, whose articles are known by
            their page ids alone.
        share: of its articles that is taken, from 0 to 1.
    """

    number: int = 0
    name: str = ""
    share: float = 1.0


ONLY = Wiki()
