"""Define what a page of a source can be: an article, a page left out for a reason, or a dead letter."""

from dataclasses import dataclass

REDIRECT = "redirect"  # why a page is dropped that is one
MAX_ID = 2**63 - 1  # page_id is an int64 column of every shard


@dataclass(frozen=True)
class Article:
    """A page of a namespace of articles (0 on Wikipedia) that is no redirect.

    `text` is wikitext (dumps) or plain text (Parquet).
    """

    page_id: int
    revision_id: int  # 0 where the source does not say
    title: str
    text: str
    where: str = ""  # its place in the source, as a dead letter names it
    timestamp: int = 0  # of the revision: 20240131235959; 0 where the source does not say


@dataclass(frozen=True)
class Dropped:
    """A page that is no article, and why: "redirect", "namespace:<n>" or "model:<content model>"."""

    page_id: int
    title: str
    reason: str
    timestamp: int = 0  # as of an article


@dataclass(frozen=True)
class DeadLetter:
    """A page that cannot be read or cleaned. `where` is its place in the source, so that it can be looked at alone."""

    page_id: int | None
    title: str
    where: str
    error: str


Page = Article | Dropped | DeadLetter
