"""Name the control characters by which one cleaning step marks for the next what it did."""

import re

ASIDE_OPEN, ASIDE_CLOSE = "\x01", "\x02"  # around the number of what `<nowiki>` protects
CUT = "\x03"  # stands where something was cut
BREAK = "\x0f"  # stands where `<br>` or `<hr>` ends a line of text in the middle of a line of wikitext
ITEM = "\x10"  # stands where a tag starts or ends an item of a list; several in a row start one line
HEADING = "\x04"  # starts a heading's line, followed by its level in one digit
# What no text may hold: all control characters but tab and line feed, and the byte order mark.
CONTROL = re.compile("[\x00-\x08\x0b-\x1f\x7f-\x9f\ufeff]")
