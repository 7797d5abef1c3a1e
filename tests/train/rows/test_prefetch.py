"""What is made ahead is what would be made in time, in its order; an error is raised where its step is asked for."""

import threading

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from train.rows.prefetch import Prefetch

CPU = torch.device("cpu")


@given(first=st.integers(1, 5), steps=st.integers(0, 12), ahead=st.integers(0, 4))
def test_every_step_is_made_once_and_in_order_and_none_after_the_last(first: int, steps: int, ahead: int) -> None:
    made: list[int] = []

    def make(step: int) -> str:
        made.append(step)
        return f"parts of {step}"

    wanted = range(first, first + steps)
    with Prefetch(make, first + steps - 1, CPU, ahead) as prefetch:
        assert [prefetch.parts(step) for step in wanted] == [f"parts of {step}" for step in wanted]
    assert made == list(wanted)


def test_the_next_steps_are_made_while_this_one_is_trained_on() -> None:
    third = threading.Event()

    def make(step: int) -> int:
        if step == 3:
            third.set()
        return step

    with Prefetch(make, 9, CPU, ahead=2) as prefetch:
        assert prefetch.parts(1) == 1
        assert third.wait(timeout=60), "nothing was made before it was asked for"


def test_an_error_is_raised_where_its_step_is_asked_for() -> None:
    def make(step: int) -> int:
        if step == 2:
            raise ValueError("a damaged row")
        return step

    with Prefetch(make, 9, CPU, ahead=3) as prefetch:
        assert prefetch.parts(1) == 1
        with pytest.raises(ValueError, match="a damaged row"):
            prefetch.parts(2)


@pytest.mark.parametrize("ahead", [0, 3])
def test_its_thread_ends_with_the_block_however_that_ends(ahead: int) -> None:
    def names() -> list[str]:
        return [thread.name for thread in threading.enumerate() if thread.name.startswith("prefetch")]

    def interrupted() -> None:
        with Prefetch(lambda step: step, 99, CPU, ahead) as prefetch:
            prefetch.parts(1)
            assert bool(names()) == bool(ahead)
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        interrupted()
    assert not names()


def test_on_a_cpu_nothing_is_made_ahead() -> None:
    made: list[int] = []
    with Prefetch(made.append, 9, CPU) as prefetch:
        prefetch.parts(1)
    assert made == [1]


@pytest.mark.parametrize("device", ["cuda", "cuda:3"])
def test_the_thread_works_on_the_device_of_its_process(monkeypatch: pytest.MonkeyPatch, device: str) -> None:
    chosen: list[int] = []
    monkeypatch.setattr(torch.cuda, "current_device", lambda: 3)
    monkeypatch.setattr(torch.cuda, "set_device", chosen.append)
    with Prefetch(lambda step: (step, list(chosen)), 9, torch.device(device)) as prefetch:
        assert prefetch.parts(1) == (1, [3])
