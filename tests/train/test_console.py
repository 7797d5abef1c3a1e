"""The first signal asks a run to end, a second Ctrl-C ends it, and afterwards signals are what they were."""

import signal

import pytest

from train.console import Stopped, StopSignal

SIGNALS = (signal.SIGTERM, signal.SIGINT)


@pytest.mark.parametrize("number", SIGNALS)
def test_the_first_signal_is_remembered_and_the_block_goes_on(number: signal.Signals) -> None:
    before = [signal.getsignal(each) for each in SIGNALS]
    with StopSignal().caught() as stop:
        assert stop.number is None
        signal.raise_signal(number)
        assert stop.number == number
    assert [signal.getsignal(each) for each in SIGNALS] == before


@pytest.mark.parametrize("first", SIGNALS)
def test_a_second_ctrl_c_interrupts_at_once_and_signals_are_what_they_were(first: signal.Signals) -> None:
    before = [signal.getsignal(each) for each in SIGNALS]
    with pytest.raises(KeyboardInterrupt), StopSignal().caught():  # noqa: PT012
        signal.raise_signal(first)
        signal.raise_signal(signal.SIGTERM)  # only asks again
        signal.raise_signal(signal.SIGINT)
    assert [signal.getsignal(each) for each in SIGNALS] == before


@pytest.mark.parametrize(("number", "status"), [(signal.SIGTERM, 143), (signal.SIGINT, 130)])
def test_a_stopped_run_ends_with_the_status_of_shells_and_says_where_it_was_saved(number: int, status: int) -> None:
    error = Stopped(number, 42)
    assert error.exit_status == status
    assert f"stopped by {signal.Signals(number).name}, saved at step 42" in str(error)
