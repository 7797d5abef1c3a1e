"""Find the text that lines of simple markup show (compiled twin of `prose.lines.show_line`).

It knows links, addresses, inline tags and named entities that are well formed; only tags may stand inside of others.
At anything else it gives up on the line, which is left to the reference. Arrays: `source` and `out` uint32, `classes`
uint8, all others int64. `out` never gets longer than the source.
"""
# mypy: allow-untyped-defs
# numba infers the types from the arrays that are given.

import numpy as np
from numba import njit

CLASSED = 1 << 16  # code points below have a class
IS_SPACE, IS_MARK = 1, 8  # bits of `classes`, see page.py; IS_MARK: one of [ ] { } < & :
ASIDE_OPEN, CUT, BREAK = 1, 3, 15  # see prose/signs.py
GIVE_UP = -1
LEVEL, START, END = range(3)  # columns of `lines`, see marks.py
ASCII = 128  # code points below
LOWER_CASE = 32  # the bit that makes an ASCII letter small
SPACE, QUOTE, HASH, PERCENT, AMPERSAND, APOSTROPHE, ASTERISK, HYPHEN, SLASH = map(ord, " \"#%&'*-/")
COLON, SEMICOLON, LESS, GREATER = map(ord, ":;<>")
OPEN_BRACKET, CLOSE_BRACKET, OPEN_BRACE, BAR, CLOSE_BRACE = map(ord, "[]{|}")
ZERO, NINE, UPPER_A, UPPER_Z, LOWER_A, LOWER_Z = map(ord, "09AZaz")
# Places in `state`: in `source` and `out`; whether a link's text and an address's label are open, and where the text
# starts; how many tags are open; up to where no entity is in an address.
AT, WRITTEN, IN_LINK, IN_LABEL, LINK_TEXT, OPEN_TAGS, NO_ENTITY, _STATE_SIZE = range(8)
MAX_DEPTH, MAX_NAME = 15, 8
MARKS = tuple(map(ord, "[]{}'"))
_LINE_MARKS = tuple(map(ord, "=*#:;"))
_NOT_IN_TITLE = tuple(map(ord, "[{}<>"))
_URI_END = tuple(map(ord, ' []<>"'))
_SCHEME_STARTS = tuple(map(ord, "bgmnstux"))  # bitcoin geo m.. news s.. tel urn xmpp: need no slashes

_inner = njit(boundscheck=True)
_compiled = njit(cache=True, nogil=True, boundscheck=True)  # kept between runs, inner functions and all


def name_key(name: str) -> int:
    """Return a name as a number, 7 bits for each of its characters: what `_name` reads from a line."""
    found = 0
    for char in name:
        found = found << 7 | ord(char)
    return found


_HTTP, _HTTPS = name_key("http"), name_key("https")


@_inner
def _is_space(char, classes):
    return char < CLASSED and classes[char] & IS_SPACE != 0


@_inner
def _is_letter(char):
    return UPPER_A <= char <= UPPER_Z or LOWER_A <= char <= LOWER_Z


@_inner
def _search(keys, key):
    """Return the place of a key in sorted keys, or -1."""
    low, high = 0, len(keys)
    while low < high:
        middle = (low + high) // 2
        if keys[middle] < key:
            low = middle + 1
        else:
            high = middle
    return low if low < len(keys) and keys[low] == key else -1


@_inner
def _name(source, at, size):
    """Letters and digits from a place on: (where they end, their `name_key`; -1 if there are too many)."""
    key, end = 0, at
    while end < size and (_is_letter(source[end]) or ZERO <= source[end] <= NINE):
        key = key << 7 | int(source[end]) if end - at < MAX_NAME else key
        end += 1
    return end, key if end - at <= MAX_NAME else -1


@_inner
def _put(out, state, char):
    out[state[WRITTEN]] = char
    state[WRITTEN] += 1


@_inner
def _entity(source, size, out, state, entities):
    at = state[AT]
    if at + 1 < size and source[at + 1] == HASH:
        return False
    end, key = _name(source, at + 1, size)
    if end == at + 1 and end < size and source[end] >= ASCII:
        return False  # a name in letters of another script
    if end == at + 1 or end == size or source[end] != SEMICOLON:
        _put(out, state, AMPERSAND)
        state[AT] += 1
        return True
    place = _search(entities[0], key)
    if place < 0:
        return False
    _put(out, state, entities[1, place])
    state[AT] = end + 1
    return True


@_inner
def _tag(source, size, state, opened, inline):
    """Take a tag that shows nothing; those that are open must close in the reverse order, inside what they are in."""
    at = state[AT] + 1
    closes = at < size and source[at] == SLASH
    end, key = _name(source, at + 1 if closes else at, size)
    if end >= size or source[end] != GREATER or _search(inline, key) < 0:
        return False
    state[AT] = end + 1
    inside = state[IN_LINK] + state[IN_LABEL]
    depth = state[OPEN_TAGS]
    if closes:
        state[OPEN_TAGS] -= 1
        return depth > 0 and opened[depth - 1, 0] == key and opened[depth - 1, 1] == inside
    if depth == MAX_DEPTH:
        return False
    opened[depth, 0], opened[depth, 1] = key, inside
    state[OPEN_TAGS] += 1
    return True


@_inner
def _may_be_address(source, start, end):
    """Return whether a link's title starts as an address does."""
    if source[start] == SLASH:
        return True
    at = start
    while at < end and _is_letter(source[at]):
        at += 1
    if at == end or source[at] != COLON:
        return False
    return at == start or source[start] | LOWER_CASE in _SCHEME_STARTS or (at + 1 < end and source[at + 1] == SLASH)


@_inner
def _link(source, size, out, state, classes):
    """Take a link's title: all of a link without a text, which shows it, else up to the bar."""
    start = state[AT] + 2
    end, blank, plain = start, True, True
    while end < size and source[end] != BAR and source[end] != CLOSE_BRACKET:
        char = source[end]
        if char in _NOT_IN_TITLE:
            return False
        blank = blank and _is_space(char, classes)
        plain = plain and char not in (COLON, AMPERSAND, PERCENT)
        end += 1
    if end == size or blank or state[IN_LINK] or state[IN_LABEL] or _may_be_address(source, start, end):
        return False
    if source[end] == BAR:
        state[IN_LINK], state[LINK_TEXT], state[AT] = 1, end + 1, end + 1
        return True
    if (
        not plain
        or end + 1 == size
        or source[end + 1] != CLOSE_BRACKET
        or (end + 2 < size and source[end + 2] == CLOSE_BRACKET)
    ):
        return False
    state[AT] = end + 2
    while _is_space(source[start], classes):
        start += 1
    while _is_space(source[end - 1], classes):
        end -= 1
    for at in range(start, end):
        _put(out, state, source[at])
    return True


@_inner
def _address(source, size, out, state, classes):
    """Take a bracket: text, or an address up to its label, or all of one without a label."""
    at = state[AT]
    end, scheme = _name(source, at + 1, size)
    slashes = end + 2 < size and source[end] == COLON and source[end + 1] == SLASH and source[end + 2] == SLASH
    if not slashes:
        if end < size and (source[end] == COLON or (end == at + 1 and source[end] == SLASH)):
            return False
        _put(out, state, OPEN_BRACKET)
        state[AT] += 1
        return True
    if scheme not in (_HTTP, _HTTPS):
        return False
    start = end = end + 3
    while end < size and source[end] != SPACE and source[end] != CLOSE_BRACKET:
        if source[end] in _URI_END or source[end] == OPEN_BRACE or _is_space(source[end], classes):
            return False
        if source[end] == AMPERSAND and end + 3 < size and source[end + 3] == SEMICOLON:
            return False  # it may mean < or >, which ends the address
        end += 1
    if end in (size, start):
        return False
    if source[end] == SPACE:
        state[IN_LABEL] = 2
    else:
        _put(out, state, CUT)
    state[AT] = end + 1
    return True


@_inner
def _closing_bracket(source, size, out, state, opened, classes):
    at = state[AT]
    double = at + 1 < size and source[at + 1] == CLOSE_BRACKET
    if state[OPEN_TAGS] and state[IN_LINK] + state[IN_LABEL] and opened[state[OPEN_TAGS] - 1, 1]:
        return False  # a tag that goes on beyond what it is in
    if state[IN_LINK]:
        first = state[LINK_TEXT]
        while first < at and _is_space(source[first], classes):
            first += 1
        state[IN_LINK] = 0
        state[AT] += 2
        return double and first < at and not (at + 2 < size and source[at + 2] == CLOSE_BRACKET)
    state[AT] += 1
    if state[IN_LABEL]:
        state[IN_LABEL] = 0
        return not double
    _put(out, state, CLOSE_BRACKET)
    return not double


@_inner
def _colon(source, size, out, state, classes):
    """Take a colon; an address that starts with it shows as it is written, unless there are entities in it."""
    at = state[AT]
    if at > 0 and at >= state[NO_ENTITY] and _is_letter(source[at - 1]):
        end = at + 1
        while end < size and source[end] not in _URI_END:
            if source[end] == AMPERSAND:
                return False
            end += 1
        state[NO_ENTITY] = end
    _put(out, state, COLON)
    state[AT] += 1
    return at > 0


@_inner
def _has_markup(source, size):
    """1: there is markup for the parser; 0: there is none; GIVE_UP: there are braces or brackets without a partner."""
    markup, stray = 0, False
    for at in range(size):
        char = source[at]
        if char in (OPEN_BRACKET, LESS, AMPERSAND):
            markup = 1
        elif char in (OPEN_BRACE, CLOSE_BRACE):
            stray = stray or (at + 1 < size and (source[at + 1] == char or source[at + 1] == BAR))
        elif char == CLOSE_BRACKET and not markup:
            stray = stray or (at + 1 < size and source[at + 1] == CLOSE_BRACKET)
        elif char in (ASIDE_OPEN, BREAK):
            return GIVE_UP
    return GIVE_UP if stray else markup


@_inner
def _has_pair(out, size):
    """Return whether brackets or quotes stand side by side: something between them shows nothing."""
    found = False
    for at in range(1, size):
        char = out[at]
        found |= char == out[at - 1] and char in MARKS
    return found


@_inner
def _show(source, size, out, state, opened, classes, entities, inline):
    """Write to `out` what the line in the first `size` places shows; returns its length, or GIVE_UP."""
    markup = _has_markup(source, size)
    if markup < 1:
        for at in range(size):
            out[at] = source[at]
        return size if markup == 0 else GIVE_UP
    state[:] = 0
    if source[0] in _LINE_MARKS or (source[0] == HYPHEN and size > 3 and source[1] == source[2] == source[3] == HYPHEN):
        return GIVE_UP  # a mark for whole lines
    while state[AT] < size:
        at = state[AT]
        char = source[at]
        known = True
        if char >= ASCII or not classes[char] & IS_MARK or char in (OPEN_BRACE, CLOSE_BRACE):
            _put(out, state, char)
            state[AT] += 1
        elif char == OPEN_BRACKET:
            if at + 1 < size and source[at + 1] == OPEN_BRACKET:
                known = _link(source, size, out, state, classes)
            else:
                known = not state[IN_LINK] and not state[IN_LABEL] and _address(source, size, out, state, classes)
        elif char == CLOSE_BRACKET:
            known = _closing_bracket(source, size, out, state, opened, classes)
        elif char == LESS:
            known = _tag(source, size, state, opened, inline)
        elif char == AMPERSAND:
            known = _entity(source, size, out, state, entities)
        else:
            known = _colon(source, size, out, state, classes)
        if not known:
            return GIVE_UP
    if state[IN_LINK] or state[IN_LABEL] or state[OPEN_TAGS] or _has_pair(out, state[WRITTEN]):
        return GIVE_UP
    return state[WRITTEN]


@_compiled
def show_lines(source, lines, out, classes, entities, inline):
    """Write to `out` what each line shows, and set its place there, or set its level to GIVE_UP.

    Args:
        source: all lines.
        lines: (lines, at least 3), their levels, starts and ends.
        out: as long as the source.
        classes: (CLASSED).
        entities: (2, entities), sorted: the `name_key` of each, and its code point.
        inline: sorted `name_key`s of tags that show nothing.
    """
    state, opened = np.zeros(_STATE_SIZE, np.int64), np.zeros((MAX_DEPTH, 2), np.int64)
    length = 0
    for line in lines:
        if line[LEVEL] == GIVE_UP:
            continue
        size = line[END] - line[START]
        written = out[length : length + size]
        shown = _show(source[line[START] : line[END]], size, written, state, opened, classes, entities, inline)
        if shown == GIVE_UP:
            line[LEVEL] = GIVE_UP
            continue
        line[START], line[END] = length, length + shown
        length += shown
