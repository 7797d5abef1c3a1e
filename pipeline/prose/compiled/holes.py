"""Close the holes that cuts leave in lines (compiled twin of `prose.holes.tidy_lines`).

Arrays: `source` and `out` uint32, `classes` uint8, `lines` int64. Lines only get shorter.
"""
# mypy: allow-untyped-defs
# numba infers the types from the arrays that are given.

from numba import njit

CLASSED = 1 << 16  # code points below have a class
IS_SPACE, IS_FILL, IS_WORD, IS_CLOSING = 1, 16, 32, 64  # bits of `classes`, see page.py; IS_CLOSING: no space before it
ASIDE_OPEN, CUT = 1, 3  # see prose/signs.py
GIVE_UP = -1
LEVEL, START, END = range(3)  # columns of `lines`, see marks.py
TAB, LINE_FEED, SPACE, NO_BREAK_SPACE, FULL_STOP, OPEN_BRACKET, CLOSE_BRACKET = map(ord, "\t\n \u00a0.[]")
_OPENING, _CLOSING = tuple(map(ord, "(（")), tuple(map(ord, ")）"))
IDEOGRAPHIC_STOP = ord("。")
MARKS = tuple(map(ord, "[]{}'"))
DASHES = tuple(map(ord, "-–—‒―/"))
ENCLOSING = tuple(map(ord, '"[]{}«»‘’‚“”„‹›⟨⟩〈〉《》「」『』【】〔〕〖〗〝〞〟［］｛｝｢｣'))

_inner = njit(boundscheck=True)
_compiled = njit(cache=True, nogil=True, boundscheck=True)  # kept between runs, inner functions and all


@_inner
def _is(char, bit, classes):
    return char < CLASSED and classes[char] & bit != 0


@_inner
def _fill_end(line, at, size, classes):
    while at < size and _is(line[at], IS_FILL, classes):
        at += 1
    return at


@_inner
def _has_cut(line, start, end):
    found = False
    for at in range(start, end):
        found |= line[at] == CUT
    return found


@_inner
def _empty_brackets(line, size, classes):
    """Put a cut for each pair of brackets with nothing between, in place; returns the length that is left."""
    at = length = 0
    while at < size:
        char = line[at]
        end = at + 1
        if char in _OPENING:
            end = first = _fill_end(line, at + 1, size, classes)
            while end < size and (_is(line[end], IS_FILL, classes) or line[end] in DASHES):
                end += 1
            empty = end == first or _has_cut(line, at, end)
            if empty and end > at + 1 and end < size and line[end] in _CLOSING:
                char, end = CUT, end + 1
            else:
                end = at + 1
        line[length] = char
        length += 1
        at = end
    return length


@_inner
def _start(line, size, classes):
    """Return where a line starts if a cut has left nothing but separators and full stops at its start."""
    at = 0
    while at < size:
        lone_stop = line[at] == FULL_STOP and (at + 1 == size or _is(line[at + 1], IS_FILL, classes))
        if not lone_stop and line[at] != IDEOGRAPHIC_STOP and not _is(line[at], IS_FILL, classes):
            break
        at += 1
    return at if _has_cut(line, 0, at) else 0


@_inner
def _put(out, length, char):
    """Append to a line: of spaces and tabs in a row one space."""
    if char in (SPACE, TAB):
        if length and out[length - 1] == SPACE:
            return length
        char = SPACE
    out[length] = char
    return length + 1


@_inner
def _hole(line, start, end, size, out, length, classes):
    """Append what is left of a run of spaces, separators and cuts: the first separator, and a space for spaces."""
    if end < size and _is(line[end], IS_CLOSING, classes):
        return length
    for at in range(start, end):
        char = line[at]
        if char != SPACE and char != TAB and char != NO_BREAK_SPACE and char != CUT:
            length = _put(out, length, char)
            break
    if end < size:
        for at in range(start, end):
            if _is(line[at], IS_SPACE, classes):
                return _put(out, length, SPACE)
    return length


@_inner
def _may_dangle(before, after):
    """Return whether a cut between these may leave empty quotes, or a dash with nothing on one side."""
    starts = before in _OPENING or before == OPEN_BRACKET
    return (before in ENCLOSING and after in ENCLOSING) or before in DASHES or (starts and after in DASHES)


@_inner
def _close_holes(line, size, out, classes):
    """Append a line with cuts to `out`; returns its length there, or GIVE_UP."""
    at, length = _start(line, size, classes), 0
    if 0 < at < size and line[at] in DASHES:
        return GIVE_UP
    while at < size:
        char = line[at]
        lone = at + 1 < size and char != CUT and not _is(line[at + 1], IS_FILL, classes)
        if lone or not _is(char, IS_FILL, classes):
            length = _put(out, length, char)
            at += 1
            continue
        end = _fill_end(line, at, size, classes)
        before = line[at - 1] if at else 0
        after = line[end] if end < size else 0
        if not _has_cut(line, at, end):
            for kept in range(at, end):
                length = _put(out, length, line[kept])
        elif before == after and before in MARKS:
            return GIVE_UP  # what a cut keeps apart, and may be markup if joined
        elif _may_dangle(before, after):
            return GIVE_UP
        elif not (before in _OPENING or before == OPEN_BRACKET or after in _CLOSING or after == CLOSE_BRACKET):
            length = _hole(line, at, end, size, out, length, classes)
        at = end
    return length


@_inner
def _tidy(line, size, out, classes):
    """Write a line to `out`, which is as long; returns (start, end) there, or (GIVE_UP, GIVE_UP). Changes the line."""
    cut, brackets, far, aside = False, False, False, False
    kinds = 0
    for at in range(size):
        char = line[at]
        cut |= char == CUT
        aside |= char == ASIDE_OPEN
        brackets |= char in _OPENING
        far |= char >= CLASSED  # has no class
        kinds |= classes[char] if char < CLASSED else 0
    words = kinds & IS_WORD != 0
    if aside or (cut and far and not words):
        return GIVE_UP, GIVE_UP
    had_cut = cut
    for _ in range(4 if brackets else 0):
        left = _empty_brackets(line, size, classes)
        if left == size:
            break
        size, cut = left, True
    length = 0
    if cut:
        length = _close_holes(line, size, out, classes)
        if length == GIVE_UP:
            return GIVE_UP, GIVE_UP
    else:
        for at in range(size):
            length = _put(out, length, line[at])
    if had_cut and not words:
        length = 0
    start = 0
    while start < length and _is(out[start], IS_SPACE, classes):
        start += 1
    while start < length and _is(out[length - 1], IS_SPACE, classes):
        length -= 1
    return start, length


@_compiled
def tidy_lines(source, lines, out, classes):
    """Write to `out` the lines that stay, each with a line feed, and move them to the front of `lines`.

    A line that gives up has an empty place in `out`. Returns how many lines stay, and the length of `out`.

    Args:
        source: all lines.
        lines: (lines, at least 3), their levels, starts and ends.
        out: as long as the source and one more for each line.
        classes: (CLASSED).
    """
    count = length = 0
    for number in range(len(lines)):
        level, begin, end = lines[number, LEVEL], lines[number, START], lines[number, END]
        size = end - begin if level != GIVE_UP else 0
        line = source[begin : begin + size]
        had_cut = _has_cut(line, 0, size)
        start, stop = _tidy(line, size, out[length : length + size], classes)
        if start == GIVE_UP:
            level, start, stop = GIVE_UP, 0, 0
        elif start == stop and (level > 0 or had_cut):
            continue
        for at in range(start, stop if start else 0):
            out[length + at - start] = out[length + at]
        length += stop - start
        out[length] = LINE_FEED
        length += 1
        lines[count] = lines[number]
        lines[count, LEVEL] = level
        count += 1
    return count, length
