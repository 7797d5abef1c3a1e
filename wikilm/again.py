"""Say how a command goes on where it was interrupted: by the same command, but for a flag that begins anew."""

import sys

FRESH = "--fresh"


def but_fresh() -> str:
    """Return `, without --fresh,` to put after `the same command` where that flag was given, else an empty text."""
    return f", without {FRESH}," if FRESH in sys.argv else ""
