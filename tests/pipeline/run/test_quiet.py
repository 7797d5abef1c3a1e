"""Libraries are silent inside, and all is as before afterwards, however the block ends."""

import logging
import sys
import warnings

import pytest

from pipeline.run.quiet import quiet


def noise() -> None:
    logging.getLogger("a.library").error("from a log")
    warnings.warn("from a warning", stacklevel=1)
    print("from a print", file=sys.stderr)


def test_what_libraries_say_is_not_shown_and_what_comes_after_is(capsys, monkeypatch):
    monkeypatch.delenv("WIKILM_TRACEBACK", raising=False)
    before = logging.root.manager.disable, sys.stderr
    with quiet():
        noise()
    assert capsys.readouterr().err == ""
    with pytest.raises(KeyError), quiet():
        raise KeyError
    assert (logging.root.manager.disable, sys.stderr) == before
    print("shown", file=sys.stderr)
    assert capsys.readouterr().err == "shown\n"


def test_a_progress_bar_that_has_the_terminal_already_still_reaches_it(capsys):
    terminal = sys.stderr
    with quiet():
        print("50 %", file=terminal)
    assert capsys.readouterr().err == "50 %\n"


def test_all_is_shown_to_who_asks_for_it(capsys, monkeypatch):
    monkeypatch.setenv("WIKILM_TRACEBACK", "1")
    with quiet():
        print("from a print", file=sys.stderr)
    assert capsys.readouterr().err == "from a print\n"
