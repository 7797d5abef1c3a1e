"""Clean a page by the compiled steps: the one module that the rest of prose/ uses of this package.

A step runs over the code points of a whole page, and asks Python about what it does not know: templates that stand for
words, names of namespaces, lines with rare markup. What comes out is the same as of the reference path.

A compiled module has its own copy of each constant, and calls no function of another: numba keeps compiled code between
runs, and notices a change only in the module of the function that it has kept. Every index is checked.
"""

import html.entities
import re
import threading
from collections.abc import Callable, Sequence
from functools import cache
from pathlib import Path

import numba
import numpy as np
from numpy.typing import NDArray

from pipeline.articles import Site
from pipeline.prose.compiled import cut, holes, lines, marks, tokens
from pipeline.prose.cut import EXTENSIONS, FORMULAS, drops_link, kept_formulas, set_aside
from pipeline.prose.holes import NO_SPACE_BEFORE, SEPARATORS
from pipeline.prose.languages import has_variants, variant
from pipeline.prose.signs import CONTROL, CUT
from pipeline.prose.tags import INLINE
from pipeline.prose.templates import expand, is_known

Codes = NDArray[np.uint32]
Numbers = NDArray[np.int64]
MODULES = (tokens, cut, marks, lines, holes)
MAX_FRAMES = 4096
IDLE_NAMES, IDLE_CHARS = 4096, 40  # names that are remembered of templates without words, and their longest
_TAG = re.compile("</?([a-zA-Z]+)")
_NO_INLINE = frozenset(["wbr"])  # has no end


class _Room(threading.local):
    """Arrays that a thread uses again for each page; compiled code runs without the global lock."""

    def __init__(self) -> None:
        self.stack: Numbers = np.empty((MAX_FRAMES, cut.FRAME_COLUMNS), np.int64)
        self._idle: Numbers = np.zeros((IDLE_NAMES, 1 + IDLE_CHARS), np.int64)
        self._site: Site | None = None

    def idle(self, site: Site) -> Numbers:
        """Return the names of templates without words: of the last wiki alone, since each has its own."""
        if site is not self._site and site != self._site:
            self._idle[:, 0] = 0
        self._site = site
        return self._idle


_room = _Room()


def has_compiler() -> bool:
    """Return whether numba compiles; with NUMBA_DISABLE_JIT=1 the steps are plain Python, for debugging."""
    return not numba.config.DISABLE_JIT


def cache_folder() -> Path:
    """Return the folder where numba keeps what it compiles: in the package, or else in the user's cache.

    Call it only if `has_compiler`.
    """
    return Path(tokens.tokenize.stats.cache_path)


def is_compiled() -> bool:
    """Return whether an earlier process has left compiled code of all modules as they are now."""
    kept = cache_folder()
    return all(_is_kept(kept, Path(module.__file__ or "")) for module in MODULES)


def _is_kept(kept: Path, source: Path) -> bool:
    """Return whether there is compiled code of a module that was made after its last change."""
    made = [path.stat().st_mtime for path in kept.glob(f"{source.stem}.*.nbi")]
    return bool(made) and max(made) >= source.stat().st_mtime


def cut_page(text: str, site: Site) -> tuple[str, list[str]] | None:
    """As `prose.cut.cut`, but removes control characters first; None: the page is left to the reference.

    Returns:
        The rest of the page, and what was set aside.
    """
    codes = to_codes(text)
    if tokens.has_control(codes, classes()):
        text = CONTROL.sub("", text)
        codes = to_codes(text)
    found = tokenize(codes, site)
    if found is None:
        return None
    rows, asks = found
    aside: list[str] = []
    for number in asks:
        kind, start, _, first, last = rows[number].tolist()
        if kind == tokens.LINK:
            rows[number, tokens.FROM] = drops_link(text, start, site)
        else:
            rows[number, tokens.FROM] = len(aside)
            tag = _TAG.match(text, start)
            aside.append(set_aside(tag[1].lower() if tag else "nowiki", text[first:last]))
    kept = _cut(codes, rows, site)
    return None if kept is None else (kept, aside)


def tokenize(codes: Codes, site: Site) -> tuple[Numbers, list[int]] | None:
    """Return the tokens of a page, (tokens, TOKEN_COLUMNS), and the numbers of those that Python has to look at.

    None: the page is left to the reference, since a tag is spelt with letters whose case only Python knows.

    Args:
        codes: a page without control characters.
        site: whose language may have variants; where it has none, their marks are text. It says if formulas stay.
    """
    rows, names = np.empty((len(codes) // 2 + 2, tokens.TOKEN_COLUMNS), np.int64), _tag_names()
    asks = np.empty(len(rows), np.int64)
    last_aside = tokens.NOWIKI_ROW + len(kept_formulas(site))
    finds = np.full((tokens.FIRST_NAME + len(names), 2), -1, np.int64)
    try:
        count, asked = tokens.tokenize(codes, rows, asks, finds, names, last_aside, classes())
    except ValueError:
        return None
    rows = rows[:count]
    if not has_variants(site.language):
        kinds = rows[:, tokens.KIND]
        kinds[(kinds == tokens.VARIANT) | (kinds == tokens.END_VARIANT)] = tokens.PLAIN
    return rows, asks[:asked].tolist()


def _cut(codes: Codes, rows: Numbers, site: Site) -> str | None:
    out = np.empty(len(codes) + cut.MAX_CHARS, np.uint32)
    state = np.zeros(cut.STATE_SIZE, np.int64)
    stack, idle = _room.stack, _room.idle(site)
    while outcome := cut.cut(codes, rows, out, state, stack, idle):
        if outcome == cut.TOO_DEEP:
            return None
        _, position, length, *_, first, last = state.tolist()
        content = _without_placeholders(out[first:last])
        if outcome == cut.EXPAND:
            answer = expand(content, site)
            if answer is None:
                _remember_idle(content, idle, site)
                answer = CUT
        else:
            answer = variant(content, site.language or "") or CUT
        answered = to_codes(answer)
        needed = length + len(answered) + len(codes) - position
        if needed > len(out):
            out = np.concatenate([out, np.empty(needed, np.uint32)])
        out[length : length + len(answered)] = answered
        state[cut.LENGTH] += len(answered)
    opened = stack[: state[cut.DEPTH]]
    if len(opened) and np.any((opened[:, cut.FRAME_KIND] == cut.TABLE) | (opened[:, cut.DROP] != cut.KEPT)):
        return None  # never closed, and not to be shown
    return _without_placeholders(out[: state[cut.LENGTH]])


def _without_placeholders(out: Codes) -> str:
    """Return the text of a part of the output, without the placeholders of links that nothing closed."""
    return to_text(out[out != cut.PLACEHOLDER])


def page_lines(text: str, reference: Callable[[str], list[tuple[int, str]]]) -> list[tuple[int, str]]:
    """Return the tidy lines of a page, as `prose.lines.prose_lines`: (level of the heading or 0, text).

    Args:
        text: what `cut_page` has left, with its tags made plain.
        reference: the same for a line that is not simple.
    """
    codes, places = take_marks(to_codes(text))
    codes, places = tidy_lines(show_lines(codes, places), places)
    levels = places[:, marks.LEVEL].tolist()
    found = list(zip(levels, to_text(codes).split("\n"), strict=False))
    if marks.GIVE_UP not in levels:
        return found
    raw = text.split("\n")
    tidied: list[tuple[int, str]] = []
    for line, number in zip(found, places[:, marks.NUMBER].tolist(), strict=True):
        if line[0] == marks.GIVE_UP:
            tidied.extend(reference(raw[number]))
        else:
            tidied.append(line)
    return tidied


def take_marks(codes: Codes) -> tuple[Codes, Numbers]:
    """Return `prose.lines.take_marks` of each line of a page.

    Returns:
        The lines that stay, one after the other without line feeds, and their places, (lines, marks.LINE_COLUMNS).
    """
    out = np.empty(len(codes), np.uint32)
    places = np.empty((np.count_nonzero(codes == marks.LINE_FEED) + 1, marks.LINE_COLUMNS), np.int64)
    return out, places[: marks.take_marks(codes, out, places, classes())]


def show_lines(codes: Codes, places: Numbers) -> Codes:
    """Return `prose.lines.show_line` of each line; changes the places to what they are in what is returned."""
    out = np.empty(len(codes), np.uint32)
    lines.show_lines(codes, places, out, classes(), _entities(), _inline())
    return out


def tidy_lines(codes: Codes, places: Numbers) -> tuple[Codes, Numbers]:
    """Return `prose.holes.tidy_lines` of each line: those that stay, each with a line feed, and their places."""
    out = np.empty(len(codes) + len(places), np.uint32)
    count, length = holes.tidy_lines(codes, places, out, classes())
    return out[:length], places[:count]


def to_codes(text: str) -> Codes:
    """Return the code points of a text, lone surrogates, too."""
    return np.frombuffer(text.encode("utf-32-le", "surrogatepass"), "<u4")


def to_text(codes: Codes) -> str:
    """Return the text of these code points."""
    return codes.tobytes().decode("utf-32-le", "surrogatepass")


def _remember_idle(content: str, idle: Numbers, site: Site) -> None:
    """Let the compiled code cut templates of this name without asking; each slot holds the last such name."""
    name = to_codes(content.partition("|")[0])
    if 0 < len(name) <= IDLE_CHARS and not is_known(to_text(name), site):
        _, slot = cut.name_slot(name, 0, len(name), IDLE_NAMES)
        idle[slot, 0] = len(name)
        idle[slot, 1 : 1 + len(name)] = name


@cache
def _tag_names() -> Numbers:
    names = ["table", "nowiki", *sorted(FORMULAS), *sorted(EXTENSIONS - FORMULAS)]
    rows = np.zeros((len(names), 1 + max(map(len, names))), np.int64)
    for row, name in enumerate(names):
        rows[row, : len(name)] = to_codes(name)
    return rows


@cache
def _entities() -> Numbers:
    """Return the entities of HTML 4, which mwparserfromhell knows: (2, entities), sorted `name_key`s and their code
    points.
    """
    known = sorted((lines.name_key(name), code) for name, code in html.entities.name2codepoint.items())
    return np.array(known, np.int64).T.copy()


@cache
def _inline() -> Numbers:
    return np.array(sorted(lines.name_key(n) for n in INLINE - _NO_INLINE if len(n) <= lines.MAX_NAME), np.int64)


@cache
def classes() -> NDArray[np.uint8]:
    """Return the classes of the code points below CLASSED, as bits."""
    bits = np.zeros(tokens.CLASSED, np.uint8)

    def mark(bit: int, chars: Sequence[str]) -> None:
        bits[[ord(char) for char in chars]] |= bit

    all_chars = [chr(code) for code in range(tokens.CLASSED)]
    spaces = [char for char in all_chars if char.isspace()]
    mark(tokens.IS_SPACE, spaces)
    mark(tokens.IS_CONTROL, [char for char in all_chars if CONTROL.match(char)])
    mark(tokens.IS_START, "<{}[]-")
    mark(lines.IS_MARK, "[]{}<&:")
    mark(holes.IS_FILL, [*spaces, CUT, *SEPARATORS])
    mark(holes.IS_WORD, [char for char in all_chars if char.isalnum()])
    mark(holes.IS_CLOSING, list(NO_SPACE_BEFORE))
    return bits
