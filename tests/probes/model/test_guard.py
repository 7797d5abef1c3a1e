"""Whatever a model raises is one line with its name."""

import gc
import shutil
import weakref

import pytest
import torch

from probes.model.guard import guarded
from probes.model.loading import load
from wikilm.errors import RunError, UsageError, reason
from wikilm.limits import OutOfMemory, used_up


@pytest.fixture
def own(tiny, tmp_path):
    """A tiny GPT-2 of one's own, to break."""
    shutil.copytree(tiny / "causal", tmp_path / "model")
    return load(str(tmp_path / "model"))


@pytest.mark.parametrize(
    "raised", [IndexError("index out of range\nin self"), RuntimeError(), KeyError("x"), OSError()]
)
def test_what_a_pass_raises_is_one_line_with_the_models_name(own, raised):
    def broken(*_):
        raise raised

    own.model.transformer.h[0].register_forward_hook(broken)
    ids = torch.tensor([[1, 2]])
    for ask in (lambda: own.model(input_ids=ids), lambda: own.model.generate(ids, max_new_tokens=2)):
        with pytest.raises(RunError) as caught:
            ask()
        line = reason(caught.value)
        assert line.startswith(f"{own.name}: ")
        assert type(raised).__name__ in line
        assert "\n" not in line
        assert caught.value.__cause__ is raised


def test_too_little_memory_is_an_error_of_its_own():
    with pytest.raises(OutOfMemory, match="some/model: out of memory"), guarded("some/model"):
        raise torch.OutOfMemoryError


def test_a_limit_of_the_system_is_not_blamed_on_the_model():
    with pytest.raises(RuntimeError, match="can't start new thread") as raised, guarded("some/model"):
        raise RuntimeError("can't start new thread")
    assert used_up(raised.value)


def test_a_mistake_of_the_user_stays_what_it_is():
    with pytest.raises(UsageError, match="--text"), guarded("some/model"):
        raise UsageError("--text: too long")


def test_an_id_that_the_model_lacks_is_one_line(own):
    with pytest.raises(RunError, match="index out of range"):
        own.model(input_ids=torch.tensor([[100_000]]))


def test_a_guarded_model_is_freed_when_it_is_let_go(tiny):
    gc.collect()
    gc.disable()
    try:
        loaded = load(str(tiny / "causal"))
        seen = weakref.ref(loaded.model)
        del loaded
        assert seen() is None
    finally:
        gc.enable()
