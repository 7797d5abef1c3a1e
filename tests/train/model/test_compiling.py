"""What is compiled is one graph, for each objective and however rows are shared out; a missing compiler is one line."""

from collections.abc import Callable
from pathlib import Path

import pytest
import torch
from torch._dynamo.testing import CompileCounterWithBackend

import train.model.compiling
from tests.helpers.training import SHAPE, TOKENIZER, make_settings, planned
from train.model.build import build
from train.model.compiling import backend, compiler_problem
from train.model.loss import SummedLoss
from train.rows.feed import Feed
from train.settings import OBJECTIVES, Objective
from wikilm.errors import RunError

CPU = torch.device("cpu")


@pytest.fixture(autouse=True)
def _forgotten() -> None:
    torch._dynamo.reset()


@pytest.mark.parametrize("objective", OBJECTIVES)
def test_a_training_is_one_graph_and_its_validation_another_whatever_the_sizes_of_parts(
    tiny: Path, tmp_path: Path, objective: Objective
) -> None:
    # 5 rows in 2 parts are of 3 and 2 rows; 6 validation rows by 2 at most leave no rest, by 4 they leave 2
    plan = planned(tiny, tmp_path, objective, batch_size=5, gradient_accumulation=2)
    model = build(objective, make_settings(objective, **SHAPE, dropout=0.1), plan.manifest.tokenizer, 32)
    counter = CompileCounterWithBackend("eager")
    compiled, plain = SummedLoss(model, objective, counter), SummedLoss(model, objective)
    feed, unpadded = Feed(plan, 0, 1, CPU, one_shape=True), Feed(plan, 0, 1, CPU)
    for step in (1, 2, 3):
        for part in feed.training_parts(step):
            compiled(*part.inputs).backward()
    assert counter.frame_count == 1  # and `fullgraph` makes an error of what would break it
    compiled.eval()
    with torch.no_grad():
        for part, same in zip(feed.validation_parts(), unpadded.validation_parts(), strict=True):
            assert part.targets == same.targets
            assert compiled(*part.inputs).item() == pytest.approx(plain(*same.inputs).item(), rel=1e-5)
    assert counter.frame_count == 2


def test_a_compiled_llama_is_one_graph_too() -> None:
    model = build("causal", make_settings("causal", **SHAPE, architecture="llama"), TOKENIZER, 24)
    counter = CompileCounterWithBackend("eager")
    ids = torch.zeros(2, 24, dtype=torch.int64)
    places = torch.arange(2 * 23)
    SummedLoss(model, "causal", counter)(ids, places, places).backward()
    assert counter.frame_count == 1


def test_by_itself_only_a_cuda_device_is_compiled_for(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(train.model.compiling, "compiler_problem", lambda device: None)
    assert backend("auto", CPU) is None
    assert backend("auto", torch.device("cuda", 0)) == backend(True, CPU) == "inductor"
    assert backend(False, torch.device("cuda", 0)) is None


def test_without_a_compiler_auto_goes_on_and_says_so_and_true_is_refused(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(train.model.compiling, "compiler_problem", lambda device: "no g++ here")
    assert backend("auto", torch.device("cuda", 0)) is None
    assert capsys.readouterr().err.splitlines() == [
        "train: not compiled, which is slower: torch.compile cannot: no g++ here"
    ]
    with pytest.raises(RunError, match=r"^compile: true, but torch.compile cannot: no g\+\+ here; install a C\+\+"):
        backend(True, CPU)


def test_a_compiler_that_fails_is_told_in_one_line(monkeypatch: pytest.MonkeyPatch) -> None:
    def broken(graph: torch.fx.GraphModule, inputs: list[torch.Tensor]) -> Callable[..., object]:
        raise RuntimeError("clang: command not found\nand a page of its log")

    monkeypatch.setattr(train.model.compiling, "BACKEND", broken)
    problem = compiler_problem(CPU)
    assert problem is not None
    assert "clang: command not found" in problem
    assert "\n" not in problem
    monkeypatch.setattr(train.model.compiling, "BACKEND", "eager")
    torch._dynamo.reset()
    assert compiler_problem(CPU) is None
