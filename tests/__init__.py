"""Hold what must stay true; `python -m tests.flows.chaos` is a command, too."""

from wikilm.missing import tell_missing

tell_missing(__name__)
