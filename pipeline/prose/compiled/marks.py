"""Take the marks of headings, lists and quotes off the lines of a page (compiled twin of `prose.lines.take_marks`).

Arrays: `text` and `out` uint32, `classes` uint8, all others int64. Lines only get shorter.
"""
# mypy: allow-untyped-defs
# numba infers the types from the arrays that are given.

import numpy as np
from numba import njit

CLASSED = 1 << 16  # code points below have a class
IS_SPACE = 1  # a bit of `classes`, see page.py
CUT, BREAK = 3, 15  # see prose/signs.py
GIVE_UP = -1
TAB, LINE_FEED, SPACE, HASH, APOSTROPHE, ASTERISK, HYPHEN, SLASH = map(ord, "\t\n #'*-/")
COLON, SEMICOLON, EQUALS, BAR, OPEN_BRACE, OPEN_BRACKET, CLOSE_BRACKET = map(ord, ":;=|{[]")
LIST_MARKS = (ASTERISK, HASH, COLON, SEMICOLON)
LEVEL, START, END, NUMBER, LINE_COLUMNS = range(5)  # columns of `lines`; NUMBER: of the line in the text
MAX_RUNS = 400

_inner = njit(boundscheck=True)
_compiled = njit(cache=True, nogil=True, boundscheck=True)  # kept between runs, inner functions and all


@_inner
def _is_blank(char):
    return char in (SPACE, TAB, CUT)


@_inner
def _is_space(char, classes):
    return char < CLASSED and classes[char] & IS_SPACE != 0


@_inner
def _stripped(text, start, end):
    """Return the part without spaces, tabs and cuts round it."""
    while start < end and _is_blank(text[start]):
        start += 1
    while start < end and _is_blank(text[end - 1]):
        end -= 1
    return start, end


@_inner
def _is_empty(text, start, end):
    """Return whether there is nothing but spaces, tabs, cuts and breaks."""
    while start < end and (_is_blank(text[start]) or text[start] == BREAK):
        start += 1
    return start == end


@_inner
def _after(text, start, end, chars):
    while start < end and text[start] in chars:
        start += 1
    return start


@_inner
def _heading(text, start, end, classes):
    """Return the level of a heading, and the place of its words."""
    lead, trail = _after(text, start, end, (EQUALS,)) - start, 0
    while trail < end - start and text[end - 1 - trail] == EQUALS:
        trail += 1
    level = min(lead, trail, 6, (end - start - 1) // 2)
    start, end = start + level, end - level
    while start < end and _is_space(text[start], classes):
        start += 1
    while start < end and _is_space(text[end - 1], classes):
        end -= 1
    return level, start, end


@_inner
def _words(text, start, end, classes):
    """(level, start, end) of a line's words; the level is GIVE_UP if the line goes as a whole."""
    first, last = _stripped(text, start, end)
    if _is_empty(text, first, last):
        for at in range(start, end):
            if text[at] == CUT or text[at] == BREAK:
                return GIVE_UP, start, end
        return 0, start, start
    if text[first] == EQUALS and text[last - 1] == EQUALS and last - first > 2:
        return _heading(text, first, last, classes)
    if text[first] == BAR or (text[first] == OPEN_BRACE and last - first > 1 and text[first + 1] == BAR):
        return GIVE_UP, start, end
    if last - first > 3 and text[first] == text[first + 1] == text[first + 2] == text[first + 3] == HYPHEN:
        start, end = _after(text, first, last, (HYPHEN,)), last
        if start == end:
            return GIVE_UP, start, end
    mark = _after(text, start, end, (CUT,))
    if text[mark] in LIST_MARKS:
        while mark < end and text[mark] in LIST_MARKS:  # after a comment, too
            start = _after(text, mark, end, LIST_MARKS)
            mark = _after(text, start, end, (CUT,))
        if _is_empty(text, start, end):
            return GIVE_UP, start, end
    return 0, start, end


@_inner
def _is_in_address(text, start, at, classes):
    """Return whether the quotes at a place may be in the target of a link or an address, where they mean other things.

    `start` is that of the line, or where the quotes before these end.
    """
    slash = space = False
    while at > start:
        at -= 1
        char = text[at]
        if char == OPEN_BRACKET:
            return (slash and not space) or (at > 0 and text[at - 1] == OPEN_BRACKET)
        if char in (BAR, CLOSE_BRACKET):
            return False
        slash = slash or char == SLASH
        space = space or _is_space(char, classes)
    return False


@_inner
def _quotes(text, start, end, runs, classes):
    """Find the runs of quotes: (start, end, 1 if an apostrophe is kept) of each; returns their number, or GIVE_UP."""
    count, at, bold, italic = 0, start, 0, 0
    chosen, rank = -1, 0  # of the bolds, the one that is an apostrophe and italic if both are left open
    while at < end:
        if text[at] != APOSTROPHE or at + 1 == end or text[at + 1] != APOSTROPHE:
            at += 1
            continue
        after = _after(text, at, end, (APOSTROPHE,))
        if count == MAX_RUNS or _is_in_address(text, runs[count - 1, 1] if count else start, at, classes):
            return GIVE_UP
        mark = 3 if after - at == 4 else min(after - at, 5)
        runs[count, 0], runs[count, 1], runs[count, 2] = at, after, min(after - at - mark, 1)
        bold += mark in (3, 5)
        italic += mark in (2, 5)
        if mark == 3:
            word = at == start or text[at - 1] != SPACE
            single = word and at > start + 1 and text[at - 2] == SPACE
            better = 1 + word + single
            if better > rank:
                chosen, rank = count, better
        count += 1
        at = after
    if bold % 2 and italic % 2 and chosen >= 0:
        runs[chosen, 2] = 1
    return count


@_compiled
def take_marks(text, out, lines, classes):
    """Write to `out` what is left of each line, and to `lines` its place there; returns how many lines are left.

    Args:
        text: a page.
        out: at least as long.
        lines: (line feeds of the text + 1, LINE_COLUMNS). A line's level is that of a heading, else 0, or GIVE_UP.
        classes: (CLASSED).
    """
    runs = np.zeros((MAX_RUNS, 3), np.int64)
    count, number, length, start, size = 0, -1, 0, 0, len(text)
    while start <= size:
        number += 1
        stop = start
        while stop < size and text[stop] != LINE_FEED:
            stop += 1
        level, first, last = _words(text, start, stop, classes)
        start = stop + 1
        if level == GIVE_UP:
            continue
        line = lines[count]
        count += 1
        found = _quotes(text, first, last, runs, classes)
        line[LEVEL], line[START], line[NUMBER] = level if found != GIVE_UP else GIVE_UP, length, number
        for run in range(max(found, 0) + 1):
            until = last if run >= found else runs[run, 0]
            for at in range(first, until):
                out[length] = text[at]
                length += 1
            if run < found:
                first = runs[run, 1]
                if runs[run, 2]:
                    out[length] = APOSTROPHE
                    length += 1
        line[END] = length
    return count
