"""One work unit in, its report out, in the steps that `flow.py` names: articles, texts, token ids, rows, shards."""

from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Generic, TypeVar

from pipeline.article import Article, DeadLetter, Dropped
from pipeline.chunk import Ids, Rows, chunk
from pipeline.clean_text import text_of
from pipeline.command import reason
from pipeline.encoder import Encoder
from pipeline.ledger import EMPTY_TEXT, NOT_TAKEN, DeadLetterRecord, UnitReport
from pipeline.settings import ShardsSettings, SplitSettings
from pipeline.shard import write_shard, write_whole
from pipeline.shard_format import SPLITS, Counts
from pipeline.site import Site
from pipeline.source import Source, WorkUnit, read_unit
from pipeline.split import Selection, merge, selection, smallest

REPORTS = "reports"  # folder of the units' reports, within the work folder
T = TypeVar("T")
U = TypeVar("U")

NOTHING = Counts(
    pages=0, articles=0, redirects=0, left_out={}, dead_letters=0, train_articles=0, validation_articles=0,
    text_bytes=0, tokens=0, train_chunks=0, validation_chunks=0, tail_tokens=0,
)  # fmt: skip


@dataclass(frozen=True)
class Unit(Generic[T]):
    """What the steps hand on: one work unit, both sides of it, and the ledger so far.

    Attributes:
        number: of the unit, in the order of the source.
        sides: train and validation -> articles, (page id, text) pairs, (page id, ids) pairs, then `Rows`.
        counts: this unit's part of the ledger.
        dead_letters: its pages that could not be read or cleaned.
    """

    number: int
    sides: Mapping[str, T]
    counts: Counts
    dead_letters: tuple[DeadLetter, ...] = ()

    def then(self, sides: Mapping[str, U], **counts: Any) -> "Unit[U]":
        """The next step's unit: other sides, and these counts set."""
        return Unit(self.number, sides, self.counts.model_copy(update=counts), self.dead_letters)


def article_ids(unit: WorkUnit, site: Site) -> Iterator[int]:
    """Page ids of a unit's articles, without a look at their texts."""
    return (page.page_id for page in read_unit(unit, site) if isinstance(page, Article))


def read_articles(unit: WorkUnit, site: Site, selected: Selection) -> Unit[list[Article]]:
    """Read a unit and sort its articles by side; all else is counted by its reason."""
    sides: dict[str, list[Article]] = {name: [] for name in SPLITS}
    reasons: Counter[str] = Counter()
    dead: list[DeadLetter] = []
    pages = articles = 0
    for page in read_unit(unit, site):
        pages += 1
        if isinstance(page, Dropped):
            reasons[page.reason] += 1
            continue
        articles += 1
        if isinstance(page, DeadLetter):
            dead.append(page)
        elif (name := selected.side(page.page_id)) is not None:
            sides[name].append(page)
        else:
            reasons[NOT_TAKEN] += 1
    redirects = reasons.pop("redirect", 0)
    counts = {"pages": pages, "articles": articles, "redirects": redirects, "left_out": dict(reasons)}
    return replace(Unit(unit.number, {}, NOTHING, tuple(dead)).then(sides, **counts))


def clean_texts(unit: Unit[list[Article]], site: Site, is_wikitext: bool, name: str) -> Unit[list[tuple[int, str]]]:
    """Wikitext to prose. What cannot be cleaned is a dead letter, what has no prose is left out."""
    sides: dict[str, list[tuple[int, str]]] = {side: [] for side in SPLITS}
    dead = list(unit.dead_letters)
    empty = 0
    for side, articles in unit.sides.items():
        for article in articles:
            try:
                text = text_of(article, site, is_wikitext=is_wikitext)
            except MemoryError:
                raise
            except Exception as error:  # whatever it is, it costs this article, not the run
                why = f"cannot be cleaned: {type(error).__name__}: {reason(error)}"
                where = article.where or f"{name}, unit {unit.number}"
                dead.append(DeadLetter(article.page_id, article.title, where, why))
                continue
            if text.strip():
                sides[side].append((article.page_id, text))
            else:
                empty += 1
    left_out = unit.counts.left_out | ({EMPTY_TEXT: empty} if empty else {})
    size = sum(len(text.encode()) for texts in sides.values() for _, text in texts)
    cleaned = unit.then(
        sides,
        left_out=left_out,
        text_bytes=size,
        dead_letters=len(dead),
        **{f"{side}_articles": len(texts) for side, texts in sides.items()},
    )
    return replace(cleaned, dead_letters=tuple(dead))


def encode(unit: Unit[list[tuple[int, str]]], encoder: Encoder) -> Unit[list[tuple[int, Ids]]]:
    """Prose to token ids, article by article."""
    sides = {}
    for side, texts in unit.sides.items():
        ids = encoder.encode_batch([text for _, text in texts])
        sides[side] = [(page_id, some) for (page_id, _), some in zip(texts, ids, strict=True)]
    return unit.then(sides)


def to_rows(unit: Unit[list[tuple[int, Ids]]], shards: ShardsSettings, end_of_text_id: int) -> Unit[Rows]:
    """Token ids to rows of `chunk_tokens`; the ids that fill no row are counted."""
    sides = {
        side: chunk(articles, shards.chunking, shards.chunk_tokens, end_of_text_id)
        for side, articles in unit.sides.items()
    }
    return unit.then(
        sides,
        tokens=sum(rows.tokens for rows in sides.values()),
        tail_tokens=sum(rows.tail_tokens for rows in sides.values()),
        **{f"{side}_chunks": len(rows.input_ids) for side, rows in sides.items()},
    )


def write_shards(unit: Unit[Rows], work: Path, units: int, chunk_tokens: int, vocab_size: int) -> int:
    """Write a unit's shards, then its report, which says that they are there; done twice, they are the same bytes."""
    shards = [
        write_shard(work, side, unit.number, units, rows, chunk_tokens, vocab_size) for side, rows in unit.sides.items()
    ]
    report = UnitReport(
        unit=unit.number,
        counts=unit.counts,
        shards=shards,
        dead_letters=[DeadLetterRecord(**vars(letter)) for letter in unit.dead_letters],
    )
    write_whole(work / REPORTS / f"{unit.number:05d}.json", report.model_dump_json().encode())
    return unit.number


def read_reports(work: Path) -> list[UnitReport]:
    """The reports of all units that are done, in the order of the source."""
    paths = sorted((work / REPORTS).glob("[0-9]*.json"), key=lambda path: int(path.stem))
    return [UnitReport.model_validate_json(path.read_bytes()) for path in paths]


def select(source: Source, split: SplitSettings) -> Selection:
    """Which articles go where: where only some are taken, the source is read once to find them."""
    if split.take is None:
        return Selection(split)
    found = (smallest(split, article_ids(unit, source.site)) for unit in source.units)
    return selection(split, merge(split, found))


def training_texts(source: Source, split: SplitSettings) -> Iterator[str]:
    """Prose of the training articles, in the order of the source: what a tokenizer may be made of."""
    selected = select(source, split)
    for unit in source.units:
        articles = read_articles(unit, source.site, selected)
        for _, text in clean_texts(articles, source.site, source.is_wikitext, source.entry.name).sides["train"]:
            yield text
