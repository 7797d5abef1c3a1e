"""Show the articles that a row comes from: as a table for people, and as JSON."""

from collections.abc import Iterator, Sequence
from dataclasses import asdict
from typing import Any

from wikilm.columns import display_width, ljust, rjust
from wikilm.shards.origins import Origin
from wikilm.terminal import visible

NO_TITLE = "no title"  # what people are shown of an article of a source that has none


def as_json(origin: Origin) -> dict[str, Any]:
    """Return an origin as JSON: its wiki only where there are several."""
    found = asdict(origin)
    wiki = found.pop("wiki")
    return found if wiki is None else {"wiki": wiki, **found}


def lines(origins: Sequence[Origin]) -> Iterator[str]:
    """Lay out the articles as a table for people."""
    table = [("tokens", "of the article", "wiki", "page", "revision", "title", "URL")]
    for origin in origins:
        spans = [f"{start}-{stop - 1}" for start, stop in (origin.row_tokens, origin.article_tokens)]
        ids = [visible(origin.wiki or ""), str(origin.page_id), str(origin.revision_id or "unknown")]
        title = visible(origin.title) or NO_TITLE
        table.append((*spans, *ids, title, origin.url or "unknown"))  # type: ignore[arg-type]
    if not any(origin.wiki for origin in origins):
        table = [(*line[:2], *line[3:]) for line in table]  # type: ignore[misc]
    widths = [max(display_width(line[column]) for line in table) for column in range(len(table[0]) - 1)]
    for *numbers, title, url in table:
        yield "  ".join([*map(rjust, numbers, widths), ljust(title, widths[-1]), url])
