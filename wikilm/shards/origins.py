"""Find the articles that the tokens of a row come from."""

import hashlib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from wikilm.errors import RunError, UsageError
from wikilm.origin import page_url
from wikilm.shards.format import CANARY_SHARD, MANIFEST, articles_of, articles_schema
from wikilm.shards.manifest import Manifest, ShardEntry
from wikilm.shards.reading import open_shard

HELD = 4  # shards whose tables stay in memory


@dataclass(frozen=True)
class Piece:
    """A run of a row's tokens that come from one article; both ranges are (first, before which it ends)."""

    article: int  # its number in the articles table
    row_tokens: tuple[int, int]
    article_tokens: tuple[int, int]


@dataclass(frozen=True)
class Origin:
    """A piece of a row, and whose it is."""

    page_id: int
    revision_id: int | None
    title: str
    url: str | None
    row_tokens: tuple[int, int]
    article_tokens: tuple[int, int]
    wiki: str | None = None  # where there are several


def pieces(tokens: NDArray[np.int64], row: int, chunk_tokens: int, chunking: str) -> Iterator[Piece]:
    """Yield the pieces of which a row of one shard is made: the inverse of `pipeline.tokens.rows.cut_rows`.

    Args:
        tokens: int64 [articles]: ids that each article put into the stream, in order.
        row: within the shard.
        chunk_tokens: ids per row.
        chunking: "pack" or "document".

    Returns:
        pieces in the order of the row, which together are all of it; none if there is no such row.
    """
    if chunking == "document":
        ends = np.cumsum(tokens // chunk_tokens)
        number = int(np.searchsorted(ends, row, side="right"))
        if number < len(tokens):
            start = (row - int(ends[number - 1]) if number else row) * chunk_tokens
            yield Piece(number, (0, chunk_tokens), (start, start + chunk_tokens))
        return
    ends = np.cumsum(tokens)
    first, last = row * chunk_tokens, (row + 1) * chunk_tokens
    if len(ends) == 0 or last > ends[-1]:
        return
    for number in range(int(np.searchsorted(ends, first, side="right")), len(ends)):
        begin, end = int(ends[number] - tokens[number]), int(ends[number])
        if begin >= last:
            return
        start, stop = max(begin, first), min(end, last)
        if start < stop:
            yield Piece(number, (start - first, stop - first), (start - begin, stop - begin))


@dataclass(frozen=True)
class Article:
    """An article that tokens come from."""

    page_id: int
    title: str
    url: str | None
    wiki: str | None = None  # where there are several


class Origins:
    """Finds the articles of rows.

    The tables of a few shards are held, so that each is read and checked once for all rows of a question.
    """

    def __init__(self, folder: Path, manifest: Manifest) -> None:
        """Remember where to look; nothing is read until the first row is asked about."""
        self._folder, self._manifest = folder, manifest
        self._tables = lru_cache(HELD)(self._read)

    def locate(self, split: str, row: int) -> tuple[ShardEntry, int, list[Origin]]:
        """Find the shard that holds a row of a split, the row's number there, and the articles that it is made of.

        Raises:
            UsageError: the split has no such row.
            RunError: a file is missing, is not the one that the manifest names, or the two do not fit.
        """
        folder, manifest = self._folder, self._manifest
        shard, inside = _shard_of(folder, manifest, split, row)
        table, rows = self._tables(shard)
        chunking = "pack" if shard.path == CANARY_SHARD else manifest.chunking
        found = list(pieces(table["tokens"].to_numpy(), inside, manifest.chunk_tokens, chunking))
        [row_of] = rows.slice(inside, 1).to_pylist()
        articles = [table.slice(piece.article, 1).to_pylist()[0] for piece in found]
        if not articles or {name: articles[0][name] for name in row_of} != row_of:
            raise RunError(
                f"{folder / shard.path}: row {inside} starts in page {row_of['page_id']}, which is not what the table"
                f" of articles says; run python -m pipeline.verify {folder}"
            )
        bases = {entry.wiki if manifest.names_wikis else None: entry.site.base for entry in manifest.wikis}
        origins = (_origin(article, piece, bases) for article, piece in zip(articles, found, strict=True))
        return shard, inside, list(origins)

    def articles(self, split: str, row: int, tokens: tuple[int, int]) -> tuple[Article, ...]:
        """Return the articles of a range of a row's tokens, which ends before the second number; raises as `locate`."""
        return tuple(
            Article(origin.page_id, origin.title, origin.url, origin.wiki)
            for origin in self.locate(split, row)[2]
            if origin.row_tokens[0] < tokens[1] and tokens[0] < origin.row_tokens[1]
        )

    def _read(self, shard: ShardEntry) -> tuple[pa.Table, pa.Table]:
        articles = _articles(self._folder, self._manifest, shard)
        return articles, open_shard(self._folder, self._manifest, shard).drop_columns("input_ids")


def _shard_of(folder: Path, manifest: Manifest, split: str, row: int) -> tuple[ShardEntry, int]:
    rows, before = manifest.row_count(split), 0
    for shard in manifest.shards_of(split):
        if 0 <= row - before < shard.rows:
            return shard, row - before
        before += shard.rows
    there = f"rows 0 to {rows - 1}" if rows else "no rows"
    raise UsageError(f"--row {row}: split '{split}' of {folder} has {there}; name one of them, or another --split")


def _articles(folder: Path, manifest: Manifest, shard: ShardEntry) -> pa.Table:
    """Read the articles table of a shard, and refuse any other than the one that the manifest names."""
    name = articles_of(shard.path)
    again = f"run python -m pipeline.verify {folder}"
    entry = next((entry for entry in manifest.articles if entry.path == name), None)
    if entry is None:
        raise RunError(f"{folder / MANIFEST}: names no {name}; {again}")
    try:
        data = (folder / name).read_bytes()
        if hashlib.sha256(data).hexdigest() != entry.sha256:
            raise RunError(f"{folder / name}: not the file that {MANIFEST} names; {again}")
        table = pa.ipc.open_stream(data).read_all()
        table.validate(full=True)
    except (OSError, pa.ArrowException) as error:
        raise RunError(f"{folder / name}: cannot read this table of articles: {error}; {again}") from None
    expected = articles_schema(manifest.names_wikis)
    known = table.schema.names == expected.names and table.schema.types == expected.types
    if not known or any(column.null_count for column in table.columns):
        raise RunError(f"{folder / name}: holds other columns than a table of articles; {again}")
    return table


def _origin(article: dict[str, Any], piece: Piece, bases: Mapping[str | None, str]) -> Origin:
    wiki = article.get("wiki")
    return Origin(
        page_id=article["page_id"],
        revision_id=article["revision_id"] or None,
        title=article["title"],
        url=page_url(bases.get(wiki, ""), article["title"]) if article["page_id"] >= 0 else None,  # a canary has none
        row_tokens=piece.row_tokens,
        article_tokens=piece.article_tokens,
        wiki=wiki,
    )
