"""One work unit in, its report out, in the steps that `flow.py` names: articles, texts, token ids, rows, shards.

Every step takes batches and makes batches, one at a time: a unit of any size needs the memory of a few batches.
"""

import contextlib
from collections.abc import Iterable, Iterator
from dataclasses import replace
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from pipeline.articles.article import Article, DeadLetter
from pipeline.articles.site import Site
from pipeline.articles.split import Selection, merge, selection, smallest
from pipeline.output.ledger import DeadLetterRecord, UnitReport, total
from pipeline.output.publish import REPORTS, unit_file
from pipeline.output.shard_file import ArrowFile, ShardFile
from pipeline.prose.clean import text_of
from pipeline.prose.deadline import TooSlow
from pipeline.prose.plain import is_empty, plain_texts
from pipeline.settings import ShardsSettings, SplitSettings
from pipeline.source.plan import Source, WorkUnit, read_unit
from pipeline.storage import Place
from pipeline.tokens.encoder import Encoder
from pipeline.tokens.rows import NO_TAIL, Ids, Rows, chunk
from pipeline.unit.batch import NO_ARTICLES, NOTHING, Articles, Batch, Texts, read_articles, some
from wikilm.errors import RunError, reason
from wikilm.shards.format import SPLITS, articles_name, articles_schema, shard_name
from wikilm.shards.manifest import EMPTY_TEXT

MAX_DEAD_LETTERS = 100_000  # of one unit, which are held until its end: more are no accident


def article_ids(unit: WorkUnit, site: Site) -> Iterator[int]:
    """Page ids of a unit's articles."""
    return (page.page_id for page in read_unit(unit, site) if isinstance(page, Article))


def clean_texts(
    batches: Iterable[Batch[Texts]], site: Site, is_wikitext: bool, max_seconds: float
) -> Iterator[Batch[Texts]]:
    """Wikitext to prose. What cannot be cleaned is a dead letter, what has no prose is left out."""
    for batch in batches:
        if is_wikitext:
            texts, dead = _cleaned(batch, site, max_seconds)
        else:
            texts, dead = plain_texts(batch.content), ()
        alive = np.ones(len(texts), bool) if not dead else np.asarray(texts.is_valid())
        empty = is_empty(texts.fill_null("x")) & alive
        kept = alive & ~empty
        articles = batch.articles
        if not kept.all():
            articles, texts = articles.only(kept), texts.filter(pa.array(kept))
        counts = batch.counts.model_copy(
            update={
                "left_out": batch.counts.left_out | some(EMPTY_TEXT, int(np.count_nonzero(empty))),
                "text_bytes": pc.sum(pc.binary_length(texts)).as_py() or 0,
                "dead_letters": batch.counts.dead_letters + len(dead),
                **{f"{side}_articles": int(np.count_nonzero(articles.sides == i)) for i, side in enumerate(SPLITS)},
            }
        )
        yield Batch(articles, texts, counts, batch.dead_letters + dead)


def clean_article(article: Article, site: Site, is_wikitext: bool, max_seconds: float) -> str | DeadLetter:
    """Wikitext to prose; whatever goes wrong costs this article, not the run."""
    try:
        text = text_of(article, site, is_wikitext, max_seconds)
        text.encode()  # a lone surrogate is no text
        return text
    except MemoryError:
        raise
    except TooSlow:
        why = f"takes more CPU time to clean than source.max_page_seconds = {max_seconds:g}"
    except Exception as error:
        why = f"cannot be cleaned: {type(error).__name__}: {reason(error)}"
    return DeadLetter(article.page_id, article.title, article.where, why)


def _cleaned(batch: Batch[Texts], site: Site, max_seconds: float) -> tuple[Texts, tuple[DeadLetter, ...]]:
    """The prose of each text, or null and a dead letter."""
    articles, dead = batch.articles, []
    texts: list[str | None] = []
    columns = zip(articles.page_ids.tolist(), articles.titles.to_pylist(), articles.where, strict=True)
    for (page_id, title, where), text in zip(columns, batch.content.to_pylist(), strict=True):
        cleaned = clean_article(Article(page_id, 0, title, text, where), site, True, max_seconds)
        if isinstance(cleaned, DeadLetter):
            dead.append(cleaned)
        texts.append(None if isinstance(cleaned, DeadLetter) else cleaned)
    return pa.array(texts, pa.string()), tuple(dead)


def encode(batches: Iterable[Batch[Texts]], encoder: Encoder) -> Iterator[Batch[list[Ids]]]:
    """Prose to token ids, article by article."""
    for batch in batches:
        yield batch.then(encoder.encode_batch(batch.content))


def to_rows(
    batches: Iterable[Batch[list[Ids]]], shards: ShardsSettings, end_of_text_id: int
) -> Iterator[Batch[dict[str, Rows]]]:
    """Token ids to rows of `chunk_tokens`, by side; the ids that fill no row are counted."""
    tails = dict.fromkeys(SPLITS, NO_TAIL)
    for batch in batches:
        pairs = list(zip(batch.articles.page_ids.tolist(), batch.content, batch.articles.sides.tolist(), strict=True))
        sides = {}
        for index, side in enumerate(SPLITS):
            articles = [(page_id, ids) for page_id, ids, of_side in pairs if of_side == index]
            sides[side] = chunk(articles, shards.chunking, shards.chunk_tokens, end_of_text_id, tails[side])
            tails[side] = sides[side].tail
        tokens = np.array([len(ids) for ids in batch.content], np.int64) + (shards.chunking == "pack")
        cut = batch.then(
            sides,
            tokens=sum(rows.tokens for rows in sides.values()),
            tail_tokens=sum(rows.left_out for rows in sides.values()),
            **{f"{side}_chunks": len(rows.input_ids) for side, rows in sides.items()},
        )
        yield replace(cut, articles=replace(cut.articles, tokens=tokens))
    left = sum(len(tail.ids) for tail in tails.values())
    yield Batch(NO_ARTICLES, {}, NOTHING.model_copy(update={"tail_tokens": left}))


def write_shards(
    unit: int, batches: Iterable[Batch[dict[str, Rows]]], work: Place, units: int, chunk_tokens: int, vocab_size: int
) -> int:
    """Write a unit's shards and the tables of their articles, then its report, which says that they are there.

    Done twice, they are the same bytes.
    """
    counts = NOTHING
    dead: list[DeadLetter] = []
    with contextlib.ExitStack() as files:
        shards, tables = {}, {}
        for side in SPLITS:
            name, table = shard_name(side, unit, units), articles_name(side, unit, units)
            shards[side] = ShardFile(name, files.enter_context(work.create(name)), chunk_tokens, vocab_size)
            tables[side] = ArrowFile(table, files.enter_context(work.create(table)), articles_schema())
        for batch in batches:
            for side, rows in batch.content.items():
                shards[side].append_rows(rows)
                tables[side].append(_table(batch.articles.only(batch.articles.sides == SPLITS.index(side))))
            counts = total([counts, batch.counts])
            dead += batch.dead_letters
            if len(dead) > MAX_DEAD_LETTERS:
                first = f"the first is at {dead[0].where}: {dead[0].error}"
                raise RunError(f"more than {MAX_DEAD_LETTERS} pages of one unit cannot be read; {first}")
        report = UnitReport(
            unit=unit,
            counts=counts,
            shards=[shards[side].close_shard(side, unit) for side in SPLITS],
            articles=[tables[side].close() for side in SPLITS],
            dead_letters=[DeadLetterRecord(**vars(letter)) for letter in dead],
        )
    work.write(unit_file(REPORTS, unit), report.model_dump_json().encode())
    return unit


def _table(articles: Articles) -> list[Any]:
    """The columns of `shard_format.articles_schema`."""
    return [pa.array(articles.page_ids), pa.array(articles.revision_ids), articles.titles, pa.array(articles.tokens)]


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
        for batch in clean_texts(articles, source.site, source.is_wikitext, source.limits.max_page_seconds):
            is_train = pa.array(batch.articles.sides == SPLITS.index("train"))
            yield from batch.content.filter(is_train).to_pylist()
