"""Wikitext in, lines of prose out, by the four compiled modules beside it: what is slow in prose/clean.py, made fast.

The compiled code runs over the code points of a whole page, and asks Python about what it does not know: templates
that stand for words, names of namespaces, lines with rare markup. What comes out is the very same as of the slow path.
"""

import html.entities
import threading
from collections.abc import Callable, Sequence
from functools import cache
from pathlib import Path

import numba
import numpy as np
from numpy.typing import NDArray

from pipeline.articles.site import Site
from pipeline.prose.compiled import cut as cut_core
from pipeline.prose.compiled import holes as tidy_core
from pipeline.prose.compiled import lines as line_core
from pipeline.prose.compiled import marks as mark_core
from pipeline.prose.compiled import tokens as token_core
from pipeline.prose.cut import EXTENSIONS, drops_link, set_aside
from pipeline.prose.holes import NO_SPACE_BEFORE, SEPARATORS
from pipeline.prose.signs import CONTROL, CUT
from pipeline.prose.tags import INLINE
from pipeline.prose.templates import expand, is_known, variant

Codes = NDArray[np.uint32]
Numbers = NDArray[np.int64]
MAX_FRAMES = 4096
IDLE_NAMES, IDLE_CHARS = 4096, 40  # room for names of templates that stand for no words
_NO_INLINE = frozenset(["wbr"])  # has no end


class _Room(threading.local):
    """What a thread uses for page after page: compiled code lets others run beside it."""

    def __init__(self) -> None:
        self.stack: Numbers = np.empty((MAX_FRAMES, cut_core.COLUMNS), np.int64)
        self.idle: Numbers = np.zeros((IDLE_NAMES, 1 + IDLE_CHARS), np.int64)


_room = _Room()


def has_compiler() -> bool:
    """Whether numba compiles; with NUMBA_DISABLE_JIT=1 the steps are plain Python, for debugging."""
    return not numba.config.DISABLE_JIT


def cache_folder() -> Path:
    """Where numba keeps what it compiles: in the package, or else in the user's cache.

    There is none with NUMBA_DISABLE_JIT=1.
    """
    return Path(token_core.tokenize.stats.cache_path)


def is_compiled() -> bool:
    """Whether an earlier process has left its compiled code for this one."""
    kept, modules = cache_folder(), (token_core, cut_core, mark_core, line_core, tidy_core)
    return all(_is_kept(kept, Path(module.__file__ or "")) for module in modules)


def _is_kept(kept: Path, source: Path) -> bool:
    """Whether there is compiled code of a module that was made after its last change."""
    made = [path.stat().st_mtime for path in kept.glob(f"{source.stem}.*.nbi")]
    return bool(made) and max(made) >= source.stat().st_mtime


def cut(text: str, site: Site) -> tuple[str, list[str]] | None:
    """As `prose.cut.cut`, but with control characters taken out; None: only that one can tell."""
    codes = _codes(text)
    tokens = np.empty((len(codes) // 2 + 2, token_core.COLUMNS), np.int64)
    count, asks = _tokenize(codes, tokens)
    if count == token_core.HAS_CONTROL:
        text = CONTROL.sub("", text)
        codes = _codes(text)
        count, asks = _tokenize(codes, tokens)
    if count < 0:
        return None
    aside: list[str] = []
    for number in asks:
        kind, start, _, first, last = tokens[number].tolist()
        if kind == token_core.LINK:
            tokens[number, token_core.FROM] = drops_link(text, start, site)
        else:
            tokens[number, token_core.FROM] = len(aside)
            aside.append(set_aside(text[first:last]))
    kept = _cut(codes, tokens[:count], site)
    return None if kept is None else (kept, aside)


def _tokenize(codes: Codes, tokens: Numbers) -> tuple[int, list[int]]:
    names, asks = _tag_names(), np.empty(len(tokens), np.int64)
    finds = np.full((token_core.FIRST_NAME + len(names), 2), -1, np.int64)
    try:
        count, asked = token_core.tokenize(codes, tokens, asks, finds, names, _classes())
    except ValueError:
        return token_core.CANNOT_TELL, []
    return int(count), asks[:asked].tolist()


def _cut(codes: Codes, tokens: Numbers, site: Site) -> str | None:
    out = np.empty(len(codes) + cut_core.MAX_CHARS, np.uint32)
    state = np.zeros(cut_core.STATE_SIZE, np.int64)
    stack, idle = _room.stack, _room.idle
    while outcome := cut_core.cut(codes, tokens, out, state, stack, idle):
        if outcome == cut_core.TOO_DEEP:
            return None
        _, position, length, *_, first, last = state.tolist()
        content = _shown(out[first:last])
        if outcome == cut_core.EXPAND:
            answer = expand(content)
            if answer is None:
                _remember_idle(content, idle)
                answer = CUT
        else:
            answer = variant(content, site.language) or CUT
        answered = _codes(answer)
        needed = length + len(answered) + len(codes) - position
        if needed > len(out):
            out = np.concatenate([out, np.empty(needed, np.uint32)])
        out[length : length + len(answered)] = answered
        state[cut_core.LENGTH] += len(answered)
    opened = stack[: state[cut_core.DEPTH]]
    if len(opened) and np.any((opened[:, cut_core.KIND] == cut_core.TABLE) | (opened[:, cut_core.DROP] == 1)):
        return None  # never closed, and not to be shown
    return _shown(out[: state[cut_core.LENGTH]])


def _shown(out: Codes) -> str:
    """What is in this part of the output, without places that were kept for brackets of links that nothing closed."""
    return _text(out[out != cut_core.GONE])


def lines(text: str, slow: Callable[[str], list[tuple[int, str]]]) -> list[tuple[int, str]]:
    """The tidy lines of a page, as `prose.holes.tidy`: (level of the heading or 0, text).

    Args:
        text: what `cut` has left, with its tags made plain.
        slow: gives the lines for one that is not simple.
    """
    codes, classes = _codes(text), _classes()
    most = text.count("\n") + 1
    places = np.empty((most, mark_core.COLUMNS), np.int64)
    first, second = np.empty(len(codes) + most, np.uint32), np.empty(len(codes) + most, np.uint32)
    places = places[: mark_core.take_marks(codes, first, places, classes)]
    line_core.show_lines(first, places, second, classes, _entities(), _inline())
    count, length = tidy_core.tidy_lines(second, places, first, classes)
    levels = places[:count, mark_core.LEVEL].tolist()
    found = list(zip(levels, _text(first[:length]).split("\n"), strict=False))
    if mark_core.GIVE_UP not in levels:
        return found
    raw = text.split("\n")
    tidied: list[tuple[int, str]] = []
    for line, number in zip(found, places[:count, mark_core.NUMBER].tolist(), strict=True):
        if line[0] == mark_core.GIVE_UP:
            tidied.extend(slow(raw[number]))
        else:
            tidied.append(line)
    return tidied


def _codes(text: str) -> Codes:
    return np.frombuffer(text.encode("utf-32-le", "surrogatepass"), "<u4")


def _text(codes: Codes) -> str:
    return codes.tobytes().decode("utf-32-le", "surrogatepass")


def _remember_idle(content: str, idle: Numbers) -> None:
    """Let the compiled code cut templates of that name by itself from now on; each slot knows one name, the last."""
    name = _codes(content.partition("|")[0])
    if 0 < len(name) <= IDLE_CHARS and not is_known(_text(name)):
        _, slot = cut_core.name_slot(name, 0, len(name), IDLE_NAMES)
        idle[slot, 0] = len(name)
        idle[slot, 1 : 1 + len(name)] = name


@cache
def _tag_names() -> Numbers:
    names = ["table", "nowiki", *sorted(EXTENSIONS)]
    rows = np.zeros((len(names), 1 + max(map(len, names))), np.int64)
    for row, name in enumerate(names):
        rows[row, : len(name)] = _codes(name)
    return rows


def _key(name: str) -> int:
    """See `lines._name`."""
    key = 0
    for char in name:
        key = key << 7 | ord(char)
    return key


@cache
def _entities() -> Numbers:
    """Those that mwparserfromhell knows: the names of HTML 4."""
    known = sorted((_key(name), code) for name, code in html.entities.name2codepoint.items())
    return np.array(known, np.int64).T.copy()


@cache
def _inline() -> Numbers:
    return np.array(sorted(_key(n) for n in INLINE - _NO_INLINE if len(n) <= line_core.MAX_NAME), np.int64)


@cache
def _classes() -> NDArray[np.uint8]:
    """The classes of the code points below 65536, as bits."""
    classes = np.zeros(65536, np.uint8)

    def mark(bit: int, chars: Sequence[str]) -> None:
        classes[[ord(char) for char in chars]] |= bit

    all_chars = [chr(code) for code in range(65536)]
    spaces = [char for char in all_chars if char.isspace()]
    mark(token_core.SPACE, spaces)
    mark(token_core.CONTROL, [char for char in all_chars if CONTROL.match(char)])
    mark(token_core.STARTS, "<{}[]-")
    mark(line_core.MARK, "[]{}<&:")
    mark(tidy_core.FILL, [*spaces, CUT, *SEPARATORS])
    mark(tidy_core.WORD, [char for char in all_chars if char.isalnum()])
    mark(tidy_core.CLOSES, list(NO_SPACE_BEFORE))
    return classes
