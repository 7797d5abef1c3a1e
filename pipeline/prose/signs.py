"""The characters by which one cleaning step tells the next what it did."""

import re

CUT = "\x03"

ASIDE_OPEN, ASIDE_CLOSE = "\x01", "\x02"

CONTROL = re.compile("[\x00-\x08\x0b-\x1f\x7f-\x9f\ufeff]")


HEADING = "\x04"  # starts a heading's line, followed by its level in one digit
