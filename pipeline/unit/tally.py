"""Gather what the report of a unit says of its pages, batch by batch, and write down which pages they are."""

from typing import Any, BinaryIO

from pipeline.articles import DeadLetter, Wiki
from pipeline.output import IDENTITY_COLUMNS, ArrowFile, DeadLetterRecord, UnitReport, pages_name, total
from pipeline.unit.batch import NOTHING, Batch
from wikilm.errors import RunError

MAX_DEAD_LETTERS = 100_000  # of one unit, which are held until its end: more are no accident


class Tally:
    """What became of the pages of a unit.

    Attributes:
        counts: the ledger of the batches so far.
    """

    def __init__(self, unit: int, wiki: Wiki, pages: BinaryIO) -> None:
        """Begin with no page.

        Args:
            unit: its number.
            wiki: whose pages they are.
            pages: the file `pages_name(unit)`, from `Place.create`.
        """
        self.counts = NOTHING
        self._unit, self._wiki, self._dead = unit, wiki, list[DeadLetter]()
        self._pages = ArrowFile(pages_name(unit), pages, IDENTITY_COLUMNS)

    def add(self, batch: Batch[Any]) -> None:
        """Add a batch.

        Raises:
            RunError: more pages are dead letters than can be an accident.
        """
        self._pages.append([batch.identities.page_ids, batch.identities.timestamps, batch.identities.positions])
        self.counts = total([self.counts, batch.counts])
        self._dead += batch.dead_letters
        if len(self._dead) > MAX_DEAD_LETTERS:
            first = f"the first is at {self._dead[0].where}: {self._dead[0].error}"
            raise RunError(f"more than {MAX_DEAD_LETTERS} pages of one unit cannot be read; {first}")

    def report(self, **files: Any) -> UnitReport:
        """Make the report, with the unit's files: fields of `UnitReport`."""
        dead = [DeadLetterRecord(**vars(letter)) for letter in self._dead]
        return UnitReport(
            unit=self._unit,
            wiki=self._wiki.number,
            counts=self.counts,
            pages=self._pages.close(),
            dead_letters=dead,
            **files,
        )
