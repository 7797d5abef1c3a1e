"""Find the tokens of a page (compiled twin of the pattern `_TOKEN` of prose/cut.py).

The token of a comment or an extension tag reaches to the end of its content, which `prose.cut._Cutter` skips.
"""
# mypy: allow-untyped-defs
# numba infers the types from the arrays that are given.

from numba import njit

# Kinds of tokens. HOLE: leaves a mark; PLAIN: text, but a piece of its own; NOWIKI: content that is set aside, as
# that of formulas that stay is, too.
HOLE, PLAIN, NOWIKI, BRACES, END_BRACES, LINK, END_LINK, VARIANT, END_VARIANT, TABLE, END_TABLE = range(11)
# Columns of `tokens`: the kind, where it starts, where what follows it starts, and two more of NOWIKI (where its
# content starts and ends) and LINK (1 if it may be hidden).
KIND, START, END, FROM, TO, TOKEN_COLUMNS = range(6)
CLOSES_COMMENT, CLOSES_TAG, FIRST_NAME = range(3)  # rows of `finds`; then one for each row of `names`
TABLE_ROW, NOWIKI_ROW = range(2)  # rows of `names`; the others are extensions, formulas first
NEVER = 1 << 62
MAX_PREFIX = 70  # code points of a link in which its prefix has ended, as `prose.cut._PREFIX`
CLASSED = 1 << 16  # code points below have a class
IS_SPACE, IS_CONTROL, IS_START = 1, 2, 4  # bits of `classes`, see page.py; IS_START: a token may start with it
ASCII = 128  # code points below
LOWER_CASE = 32  # the bit that makes an ASCII letter small
TAB, LINE_FEED, SPACE, EXCLAMATION, HASH, ASTERISK, HYPHEN = map(ord, "\t\n !#*-")
SLASH, COLON, SEMICOLON, LESS, GREATER, TILDE = map(ord, "/:;<>~")
OPEN_BRACKET, CLOSE_BRACKET, OPEN_BRACE, BAR, CLOSE_BRACE = map(ord, "[]{|}")
UPPER_A, UPPER_Z, LOWER_A, LOWER_Z = map(ord, "AZaz")
_FOLDED = tuple(map(ord, "\u0130\u0131\u017f\u212a"))  # what `re.IGNORECASE` takes for i, s or k

_inner = njit(boundscheck=True)
_compiled = njit(cache=True, nogil=True, boundscheck=True)  # kept between runs, inner functions and all


@_inner
def _is_letter(char):
    return UPPER_A <= char <= UPPER_Z or LOWER_A <= char <= LOWER_Z


@_inner
def _is_space(char, classes):
    return char < CLASSED and classes[char] & IS_SPACE != 0


@_inner
def _closing_tag(text, at, name, classes):
    """Return where the `</name >` that starts here ends; 0: there is none; -1: only Python can compare a letter."""
    size = len(text)
    if at + 1 >= size or text[at + 1] != SLASH:
        return 0
    at += 2
    for letter in name:
        if letter == 0:
            break
        if at >= size:
            return 0
        char = text[at]
        if char in _FOLDED:
            return -1
        if not _is_letter(char) or char | LOWER_CASE != letter:
            return 0
        at += 1
    while at < size and _is_space(text[at], classes):
        at += 1
    return at + 1 if at < size and text[at] == GREATER else 0


@_inner
def _find(text, row, position, finds, names, classes):
    """Return the (start, end) of the next match of a row at or after a position, as `prose.cut._Finder`; start is
    NEVER: none.

    Raises:
        ValueError: only Python can tell.
    """
    if finds[row, 0] >= position:
        return finds[row, 0], finds[row, 1]
    size = len(text)
    for at in range(position, size):
        if text[at] != (HYPHEN if row == CLOSES_COMMENT else GREATER if row == CLOSES_TAG else LESS):
            continue
        end = at + 1
        if row == CLOSES_COMMENT:
            end = at + 3 if at + 2 < size and text[at + 1] == HYPHEN and text[at + 2] == GREATER else 0
        elif row != CLOSES_TAG:
            end = _closing_tag(text, at, names[row - FIRST_NAME], classes)
        if end < 0:
            raise ValueError
        if end:
            finds[row, 0], finds[row, 1] = at, end
            return at, end
    finds[row, 0] = finds[row, 1] = NEVER
    return NEVER, NEVER


@_inner
def _row_of(text, start, end, names):
    """Return the row of `names` that holds this name, or -1."""
    for row in range(len(names)):
        name = names[row]
        same = end - start < len(name) and name[end - start] == 0
        at = start
        while same and at < end:
            same = text[at] | LOWER_CASE == name[at - start]
            at += 1
        if same:
            return row
    return -1


@_inner
def _name_end(text, at, classes):
    """Return where the name of the tag that starts here ends; 0: no tag starts here."""
    at += 2 if at + 1 < len(text) and text[at + 1] == SLASH else 1
    first = at
    while at < len(text) and _is_letter(text[at]):
        at += 1
    ends = at < len(text) and (text[at] == SLASH or text[at] == GREATER or _is_space(text[at], classes))
    return at if ends and at > first else 0


@_inner
def _tag(text, at, token, finds, names, last_aside, classes):
    """Read `<!--` or a tag into `token`; False: none starts here."""
    size = len(text)
    if at + 3 < size and text[at + 1] == EXCLAMATION and text[at + 2] == HYPHEN and text[at + 3] == HYPHEN:
        token[KIND], token[END] = HOLE, min(_find(text, CLOSES_COMMENT, at + 4, finds, names, classes)[1], size)
        return True
    name_end = _name_end(text, at, classes)
    if not name_end:
        return False
    closes = text[at + 1] == SLASH
    row = _row_of(text, at + 2 if closes else at + 1, name_end, names)
    bracket, end = _find(text, CLOSES_TAG, name_end, finds, names, classes) if row >= 0 else (NEVER, NEVER)
    if row == TABLE_ROW:
        token[KIND], token[END] = END_TABLE if closes else TABLE, end if end != NEVER else name_end
        return True
    if end == NEVER:
        token[KIND], token[END] = PLAIN, name_end
        return True
    token[KIND] = NOWIKI if row <= last_aside else HOLE
    token[END] = token[FROM] = token[TO] = end
    if not closes and text[bracket - 1] != SLASH:
        start, after = _find(text, FIRST_NAME + row, end, finds, names, classes)
        if start != NEVER:
            token[TO], token[END] = start, after
    return True


@_inner
def _table_mark(text, at, token):
    """Read what opens or closes a table at this start of a line; False: nothing does."""
    size, end = len(text), at
    while end < size and text[end] in (SPACE, TAB, COLON, ASTERISK, HASH, SEMICOLON):
        end += 1
    if end + 1 < size and text[end] == OPEN_BRACE and text[end + 1] == BAR:
        token[KIND], token[END] = TABLE, end + 2
        return True
    end = at
    while end < size and text[end] in (SPACE, TAB):
        end += 1
    token[KIND], token[END] = END_TABLE, end + 2
    return (
        end + 1 < size
        and text[end] == BAR
        and text[end + 1] == CLOSE_BRACE
        and not (end + 2 < size and text[end + 2] == CLOSE_BRACE)
    )


@_inner
def _may_hide(text, at):
    """Return whether something that may be a prefix follows the brackets before `at`."""
    for end in range(at, min(at + MAX_PREFIX, len(text))):
        char = text[end]
        if char == COLON:
            return 1
        if char in (BAR, OPEN_BRACKET, CLOSE_BRACKET, OPEN_BRACE, CLOSE_BRACE, LESS, GREATER, LINE_FEED):
            return 0
    return 0


@_inner
def _pair(text, at, token):
    """Read a token that starts with two marks; False: none starts here."""
    size = len(text)
    if at + 1 >= size:
        return False
    char, after = text[at], text[at + 1]
    token[END] = at + 2
    if char == after and char in (OPEN_BRACE, CLOSE_BRACE):
        while token[END] < size and text[token[END]] == char:
            token[END] += 1
        token[KIND] = BRACES if char == OPEN_BRACE else END_BRACES
    elif char == after and char == OPEN_BRACKET:
        token[KIND], token[FROM] = LINK, _may_hide(text, at + 2)
    elif char == after and char == CLOSE_BRACKET:
        token[KIND] = END_LINK
    elif char == HYPHEN and after == OPEN_BRACE and not (at + 2 < size and text[at + 2] == OPEN_BRACE):
        token[KIND] = VARIANT
    elif char == CLOSE_BRACE and after == HYPHEN:
        token[KIND] = END_VARIANT
    else:
        return False
    return True


@_compiled
def has_control(text, classes):
    """Return whether a page holds a control character, which the other steps do not expect."""
    found = False
    for char in text:
        found |= (char < SPACE or TILDE < char < CLASSED) and classes[char] & IS_CONTROL != 0
    return found


@_compiled
def tokenize(text, tokens, asks, finds, names, last_aside, classes):
    """Fill `tokens`; returns how many there are, and of how many Python has to fill in FROM.

    Args:
        text: uint32, (size).
        tokens: int64, (at least size / 2 + 1, TOKEN_COLUMNS).
        asks: int64, as long: for the numbers of NOWIKI, and of LINK that may be hidden.
        finds: int64, -1, (FIRST_NAME + rows of names, 2): the next match of each, to be linear in all.
        last_aside: the last row of names of those whose content is set aside, from NOWIKI_ROW on.
        names: int64, (rows, longest + 1): lower-case ASCII letters, filled up with 0.
        classes: uint8, (CLASSED).

    Raises:
        ValueError: only Python can tell where an element ends.
    """
    count, asked, at, size = 0, 0, 0, len(text)
    line_start = True
    while at < size:
        char = text[at]
        starts = char < ASCII and classes[char] & IS_START != 0
        if not starts and not line_start:
            line_start = char == LINE_FEED
            at += 1
            continue
        token = tokens[count]
        found = line_start and _table_mark(text, at, token)
        if not found and starts:
            found = _tag(text, at, token, finds, names, last_aside, classes) if char == LESS else _pair(text, at, token)
        after_comment = False
        if found:
            token[START] = at
            after_comment = line_start and char == LESS and text[at + 1] == EXCLAMATION
            at = token[END]
            if token[KIND] == NOWIKI or (token[KIND] == LINK and token[FROM]):
                asks[asked] = count
                asked += 1
            count += 1
        else:
            at += 1
        line_start = after_comment or text[at - 1] == LINE_FEED
    return count, asked
