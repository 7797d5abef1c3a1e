"""Write text of any origin into Markdown, so that nothing in it is taken for markup."""

import re
from collections.abc import Iterable

from wikilm.terminal import visible


def plain(text: str) -> str:
    """Write text so that Markdown shows it as it is, on one line."""
    return re.sub(r"([\\`*_{}\[\]<>()#|!&~$])", r"\\\1", visible(text))


def code(text: str) -> str:
    """Write text as a span of code that none of its own backticks ends, and no table cuts at a bar."""
    return f"`{visible(text).replace('`', chr(0x2019)).replace('|', chr(0xA6))}`"


def table(heads: tuple[str, ...], rows: Iterable[tuple[object, ...]]) -> str:
    """Write a table; its cells must be Markdown already."""
    lines = [heads, ("---",) * len(heads), *rows]
    return "\n".join("| " + " | ".join(map(str, line)) + " |" for line in lines)
