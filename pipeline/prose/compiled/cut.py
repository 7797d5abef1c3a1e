"""Cut what is not prose out of a page by its tokens (compiled twin of `prose.cut._Cutter`).

`cut` returns when the page is done, or when Python has to read a template or a choice of variants (page.py).
Arrays: `text` and `out` uint32, all others int64. `out` never grows by more than was read.
"""
# mypy: allow-untyped-defs
# numba infers the types from the arrays that are given.

from numba import njit

# What `cut` returns.
DONE, EXPAND, CHOOSE, TOO_DEEP = range(4)
# Places in `state`: of the next token; where text goes on; length of `out`, in code points and in pieces; frames open,
# and those of braces; closing braces that are left to match; what part of `out` is asked about.
TOKEN, POSITION, LENGTH, PIECES, DEPTH, BRACE_FRAMES, RUN, ASK_FROM, ASK_TO, STATE_SIZE = range(10)
KIND, START, END, FROM = range(4)  # columns of `tokens`, see tokens.py
# Columns of `stack`, as `prose.cut._Frame`; kinds of frames have the numbers of the tokens that open them.
FRAME_KIND, PLACE, FRAME_START, OPEN, DROP, FRAME_COLUMNS = range(6)
HOLE, PLAIN, NOWIKI, BRACES, END_BRACES, LINK, END_LINK, VARIANT, END_VARIANT, TABLE, END_TABLE = range(11)
KEPT, DROPPED, PARTS = range(3)  # values of DROP, see prose/cut.py
PLACEHOLDER = 0xFFFFFFFF  # of brackets, which are written once their link is closed
ASIDE_OPEN, ASIDE_CLOSE, CUT, BREAK = 1, 2, 3, 15  # see prose/signs.py
LINE_FEED, SPACE, HYPHEN, ZERO = map(ord, "\n -0")
OPEN_BRACKET, CLOSE_BRACKET, OPEN_BRACE, BAR, CLOSE_BRACE = map(ord, "[]{|}")
MAX_CHARS, MAX_LINK_PIECES = 1000, 40

_inner = njit(boundscheck=True)
_compiled = njit(cache=True, nogil=True, boundscheck=True)  # kept between runs, inner functions and all


@_inner
def _put(out, state, char):
    out[state[LENGTH]] = char
    state[LENGTH] += 1


@_inner
def _copy(text, start, end, out, state):
    """Append a piece of text."""
    length = state[LENGTH]
    for at in range(start, end):
        out[length + at - start] = text[at]
    state[LENGTH] += end - start
    state[PIECES] += 1


@_inner
def _push(state, stack, kind, braces, drop):
    frame = stack[state[DEPTH]]
    frame[FRAME_KIND], frame[PLACE], frame[FRAME_START] = kind, state[PIECES], state[LENGTH]
    frame[OPEN], frame[DROP] = braces, drop
    state[DEPTH] += 1
    state[PIECES] += 1


@_inner
def _is_top(state, stack, kind):
    return state[DEPTH] > 0 and stack[state[DEPTH] - 1, FRAME_KIND] == kind


@_inner
def _replace(out, state, frame):
    """Put one CUT for all that came since the frame was opened."""
    state[LENGTH] = frame[FRAME_START]
    _put(out, state, CUT)
    state[PIECES] = frame[PLACE] + 1


@_inner
def _is_short(out, state, frame, start):
    """Return whether the content of a frame is to be looked at; if so, ASK_FROM and ASK_TO are its place."""
    if state[PIECES] - (frame[PLACE] + 1) > MAX_CHARS or state[LENGTH] - start > 3 * MAX_CHARS + 2:
        return False
    chars = 0
    for at in range(start, state[LENGTH]):
        chars += out[at] != PLACEHOLDER
    state[ASK_FROM], state[ASK_TO] = start, state[LENGTH]
    return chars <= MAX_CHARS


@_compiled
def name_slot(out, start, end, slots):
    """Return the length of a template's name, which goes to the first bar, and the row of a table where it has its
    place.
    """
    size, code = 0, 5381
    while start + size < end and out[start + size] != BAR:
        code = (code * 33 ^ int(out[start + size])) & 0xFFFFFFF
        size += 1
    return size, code % slots


@_inner
def _is_idle(out, start, end, idle):
    """Return whether the template's name is in the table of those that stand for no words."""
    size, slot = name_slot(out, start, end, len(idle))
    same = size > 0 and idle[slot, 0] == size
    at = 0
    while same and at < size:
        same = idle[slot, 1 + at] == out[start + at]
        at += 1
    return same


@_inner
def _put_before(out, state, char, end):
    """Append a mark in front of what Python may have to read, which goes up to `end`."""
    for at in range(end, state[LENGTH], -1):
        out[at] = out[at - 1]
    _put(out, state, char)
    state[ASK_FROM] += 1
    state[ASK_TO] += 1


@_inner
def _close_braces(out, state, stack, idle):
    """Match the closing braces that are left; True: Python has to read a template first."""
    while state[RUN] >= 2 and state[BRACE_FRAMES]:
        while stack[state[DEPTH] - 1, FRAME_KIND] != BRACES:
            state[DEPTH] -= 1
        frame = stack[state[DEPTH] - 1]
        start, end = frame[FRAME_START], state[LENGTH]
        taken = 3 if min(state[RUN], frame[OPEN]) >= 3 else 2
        asks = taken == 2 and _is_short(out, state, frame, start) and not _is_idle(out, start, end, idle)
        state[PIECES] = frame[PLACE] + 2
        state[LENGTH] = start
        state[RUN] -= taken
        frame[OPEN] -= taken
        if frame[OPEN] == 1:
            _put_before(out, state, OPEN_BRACE, end)
        if frame[OPEN] < 2:
            state[DEPTH] -= 1
            state[BRACE_FRAMES] -= 1
        if asks:
            return True
        _put(out, state, CUT)
    if state[RUN] == 1:
        _put(out, state, CLOSE_BRACE)
        state[PIECES] += 1
    state[RUN] = 0
    return False


@_inner
def _close_link(out, state, stack):
    while _is_top(state, stack, VARIANT):
        state[DEPTH] -= 1
    if not _is_top(state, stack, LINK):
        _put(out, state, CLOSE_BRACKET)
        state[PIECES] += 1
        return
    state[DEPTH] -= 1
    frame = stack[state[DEPTH]]
    if frame[DROP]:
        _replace(out, state, frame)
        if frame[DROP] == PARTS:
            _put(out, state, SPACE)
        return
    start = frame[FRAME_START]
    out[start] = out[start + 1] = OPEN_BRACKET
    _put(out, state, CLOSE_BRACKET)
    _put(out, state, CLOSE_BRACKET)
    state[PIECES] += 1
    if state[PIECES] - frame[PLACE] < MAX_LINK_PIECES:
        for at in range(start, state[LENGTH]):
            if out[at] == LINE_FEED:
                out[at] = SPACE


@_inner
def _close_variant(out, state, stack):
    """True: Python has to choose first."""
    if not _is_top(state, stack, VARIANT):
        _put(out, state, CLOSE_BRACE)
        _put(out, state, HYPHEN)
        state[PIECES] += 1
        return False
    state[DEPTH] -= 1
    frame = stack[state[DEPTH]]
    asks = _is_short(out, state, frame, frame[FRAME_START] + 2)
    _replace(out, state, frame)
    if asks:
        state[LENGTH] -= 1
    return asks


@_inner
def _close_table(out, state, stack):
    while _is_top(state, stack, LINK) or _is_top(state, stack, VARIANT):
        state[DEPTH] -= 1
    if _is_top(state, stack, TABLE):
        state[DEPTH] -= 1
        _replace(out, state, stack[state[DEPTH]])
        out[state[LENGTH] - 1] = BREAK
        _put(out, state, CUT)


@_inner
def _put_aside(out, state, number):
    digits = 1
    while number // 10**digits:
        digits += 1
    _put(out, state, ASIDE_OPEN)
    for digit in range(digits - 1, -1, -1):
        _put(out, state, ZERO + number // 10**digit % 10)
    _put(out, state, ASIDE_CLOSE)
    state[PIECES] += 1


@_inner
def _open(token, out, state, stack):
    kind, start, end = token[KIND], token[START], token[END]
    _push(state, stack, kind, end - start if kind == BRACES else 0, token[FROM] if kind == LINK else 0)
    if kind == BRACES:
        state[BRACE_FRAMES] += 1
    elif kind == LINK:
        _put(out, state, PLACEHOLDER)
        _put(out, state, PLACEHOLDER)
    elif kind == VARIANT:
        _put(out, state, HYPHEN)
        _put(out, state, OPEN_BRACE)


@_inner
def _take(token, text, out, state, stack):
    """Take one token; DONE, or why not."""
    kind, start, end = token[KIND], token[START], token[END]
    if kind == HOLE:
        _put(out, state, CUT)
        state[PIECES] += 1
    elif kind == PLAIN:
        _copy(text, start, end, out, state)
    elif kind == NOWIKI:
        _put_aside(out, state, token[FROM])
    elif kind == END_BRACES:
        state[RUN] = end - start
    elif kind == END_LINK:
        _close_link(out, state, stack)
    elif kind == END_TABLE:
        _close_table(out, state, stack)
    elif kind == END_VARIANT:
        return CHOOSE if _close_variant(out, state, stack) else DONE
    elif state[DEPTH] == len(stack):
        return TOO_DEEP
    else:
        _open(token, out, state, stack)
    return DONE


@_compiled
def cut(text, tokens, out, state, stack, idle):
    """Go on with a page until it is done, or there is a question for Python; returns which (DONE, EXPAND and so on).

    The question is the part of `out` from ASK_FROM to ASK_TO; the caller appends the answer at LENGTH.

    Args:
        text: the page.
        tokens: see tokens.py; a LINK's fourth column says whether it is dropped, that of NOWIKI its number.
        out: at least as long as the text.
        state: STATE_SIZE numbers, 0 at first.
        stack: room for frames, (most, FRAME_COLUMNS).
        idle: names of templates that stand for no words, each in its slot: its length, then its code points.
    """
    while state[TOKEN] < len(tokens) or state[RUN]:
        if state[RUN]:
            if _close_braces(out, state, stack, idle):
                return EXPAND
            continue
        token = tokens[state[TOKEN]]
        if token[START] > state[POSITION]:
            _copy(text, state[POSITION], token[START], out, state)
        state[POSITION] = token[END]
        state[TOKEN] += 1
        outcome = _take(token, text, out, state, stack)
        if outcome != DONE:
            return outcome
    _copy(text, state[POSITION], len(text), out, state)
    state[POSITION] = len(text)
    return DONE
