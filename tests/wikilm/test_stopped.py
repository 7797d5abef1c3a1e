"""A signal that asks a process to end cleans up what was begun, and tells in one line what the end was."""

import os
import signal
import threading

import pytest

from wikilm.errors import RunError
from wikilm.stopped import SIGNALS, Stopped, stopped_by_signals


@pytest.mark.parametrize("number", SIGNALS)
def test_a_signal_ends_the_block_whatever_is_made_of_it_and_what_cleans_up_runs_to_its_end(number):
    before, cleaned = signal.getsignal(number), []
    with pytest.raises(Stopped, match=f"stopped by {number.name}; give the same command again to resume") as caught:  # noqa: PT012, SIM117
        with stopped_by_signals("resume"):
            try:
                os.kill(os.getpid(), number)
                signal.pause()
            except RunError as error:
                raise ValueError("wrapped") from error
            finally:
                os.kill(os.getpid(), number)  # again, by who has no patience
                cleaned.append(True)
    assert cleaned
    assert caught.value.exit_status == 128 + number
    assert signal.getsignal(number) is before


def test_other_errors_pass_and_what_was_ignored_still_is():
    before = signal.signal(signal.SIGHUP, signal.SIG_IGN)
    try:
        with pytest.raises(ValueError, match="mine"), stopped_by_signals("resume"):  # noqa: PT012
            os.kill(os.getpid(), signal.SIGHUP)
            raise ValueError("mine")
    finally:
        signal.signal(signal.SIGHUP, before)


def test_a_thread_which_no_signal_reaches_changes_nothing():
    seen = []

    def inside() -> None:
        with stopped_by_signals("resume"):
            seen.append(signal.getsignal(signal.SIGTERM))

    thread = threading.Thread(target=inside)
    thread.start()
    thread.join()
    assert seen == [signal.getsignal(signal.SIGTERM)]
