"""Check on the device at hand what tests without a GPU cannot, one line for each."""

import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

import torch
from torch._dynamo.utils import counters

import train.model.loss
from benchmarks.gpu_ways import Ours, Setting
from train.model.compiling import has_kernels
from train.model.loss import linear_cross_entropy
from train.saved.checkpoint import Checkpoint, newest_checkpoint

FEW_ROWS = 16  # of a step, so that checks are quick


def checks(setting: Setting) -> Iterator[tuple[str, str]]:
    """Yield what was checked, and what came out: "ok" first, or what is wrong."""
    few = replace(setting, shape=replace(setting.shape, batch_size=FEW_ROWS))
    every: dict[str, Callable[[Setting], str]] = {
        "one graph for a causal model": lambda few: one_graph(few, None),
        "one graph for a masked model": lambda few: one_graph(few, 0.45),
        "no step waits for the device": no_waiting,
        "a padded head gives the same loss": padded_head,
        "the kernels give what torch gives": kernels,
        "a checkpoint written beside the steps is what it was, and is resumed from": saved_beside,
    }
    for name, check in every.items():
        try:
            yield name, check(few)
        except Exception as error:  # one that fails must not keep the others from being tried
            yield name, f"FAILED: {type(error).__name__}: {str(error)[:600]}"


def one_graph(setting: Setting, masked_fraction: float | None) -> str:
    """Train and validate; count graphs, and what broke them."""
    ours = Ours(setting, compile=True, masked_fraction=masked_fraction)
    torch._dynamo.reset()
    counters.clear()
    ours(2)
    graphs = counters["stats"]["unique_graphs"]
    with torch.no_grad():
        for _ in range(2):
            for part in ours.training.feed.validation_parts():
                ours.training.learner.loss.eval()(*part.inputs)
    ours.training.learner.loss.train()
    ours(1)
    ours.close()
    after, breaks = counters["stats"]["unique_graphs"], dict(counters["graph_break"])
    verdict = "ok" if (graphs, after) == (1, 2) and not breaks else "FAILED"
    return f"{verdict}: {graphs} to train, {after - graphs} to validate with a last batch; breaks: {breaks or 'none'}"


def no_waiting(setting: Setting) -> str:
    """Train a step in which CUDA makes an error of every wait."""
    if setting.device.type != "cuda":
        return "not tried: needs CUDA"
    tried = []
    for name, changes in {
        "compiled AdamW": {"compile": True},
        "compiled Muon": {"compile": True, "optimizer": "muon"},
        "eager AdamW": {"compile": False},
        "eager Muon, masked": {"compile": False, "optimizer": "muon", "masked_fraction": 0.45},
    }.items():
        ours = Ours(setting, **changes)
        ours(3)
        torch.cuda.set_sync_debug_mode("error")
        try:
            for step in (4, 5):
                ours.training._step(step)
        finally:
            torch.cuda.set_sync_debug_mode("default")
            ours.close()
        tried.append(name)
    return f"ok: {', '.join(tried)}"


def padded_head(setting: Setting) -> str:
    """Compare loss and gradients with those of a head as it is, in pieces and all at once."""
    torch.manual_seed(0)
    width, count = setting.shape.width, 4 * FEW_ROWS + 3
    hidden = torch.randn(count, width, device=setting.device, requires_grad=True)
    weight = (0.02 * torch.randn(setting.vocabulary, width, device=setting.device)).requires_grad_()
    bias = (0.1 * torch.randn(setting.vocabulary, device=setting.device)).requires_grad_()
    targets = torch.randint(setting.vocabulary, (count,), device=setting.device)
    logits = hidden.double() @ weight.double().T + bias.double()
    plain = torch.nn.functional.cross_entropy(logits, targets, reduction="sum")
    expected = torch.autograd.grad(plain, (hidden, weight, bias))
    apart, ways = 0.0, (False, True) if has_kernels(setting.device) else (False,)
    with _multiple(setting.device.type, 128):
        for with_kernels in ways:
            loss = linear_cross_entropy(hidden, weight, bias, targets, kernels=with_kernels)
            found = torch.autograd.grad(loss, (hidden, weight, bias))
            apart = max(apart, abs(loss.item() / plain.item() - 1))
            apart = max(apart, *(float((a - b).norm() / b.norm()) for a, b in zip(found, expected, strict=True)))
    return f"{'ok' if apart < 2e-3 else 'FAILED'}: at most {apart:.1e} apart, relative, from fp64 (TF32: near 3e-4)"


def kernels(setting: Setting) -> str:
    """Compare each kernel in bf16, values and gradients, with torch in fp64."""
    if not has_kernels(setting.device):
        return "not tried: needs a GPU that computes in bf16"
    from benchmarks import kernel_distances  # which needs Triton

    torch.manual_seed(0)
    shape, padded, low = setting.shape, -(-setting.vocabulary // 128) * 128, (torch.bfloat16, setting.device)
    apart = {
        "attention": kernel_distances.attention(
            FEW_ROWS, setting.tokens, shape.heads, shape.width // shape.heads, *low
        ),
        "cross entropy": kernel_distances.loss(300, setting.vocabulary, padded, *low),
    }
    verdict = "ok" if all(value < 1e-2 for value in apart.values()) else "FAILED"
    told = ", ".join(f"{name} {value:.1e}" for name, value in apart.items())
    return f"{verdict}: relative distances from fp64 {told}"


@contextmanager
def _multiple(device: str, value: int) -> Iterator[None]:
    before = dict(train.model.loss.MULTIPLE)
    train.model.loss.MULTIPLE[device] = value
    try:
        yield
    finally:
        train.model.loss.MULTIPLE.clear()
        train.model.loss.MULTIPLE.update(before)


def saved_beside(setting: Setting) -> str:
    """Save after step 3 while steps 4 to 6 run, compare what was saved, then resume and train the same steps again."""
    with tempfile.TemporaryDirectory() as folder:
        run = Path(folder) / "run"
        ours = Ours(setting, run, compile=False)
        ours(3)
        training = ours.training
        model = dict(training.learner.model.named_parameters())
        then = {name: tensor.detach().clone() for name, tensor in model.items()}
        state = {"step": 3, "losses": [], "sum_of_losses": 0.0, "seconds": 0.0, "history": []}
        training.progress.losses = []
        training.saver.save(Checkpoint(3, model, training.learner.optimizers.state(), state))
        ours(3)
        undisturbed = training.progress.losses
        training.saver.join()
        found = newest_checkpoint(run)
        assert found is not None
        same = all(torch.equal(tensor.cpu(), found.model[name]) for name, tensor in then.items())
        ours.close()
        again = Ours(setting, run, compile=False)
        start = again.training.progress.step
        again(3)
        resumed = again.training.progress.losses
        again.close()
    apart = max(abs(a - b) for a, b in zip(undisturbed, resumed, strict=True))
    verdict = "ok" if same and start == 3 and apart < 1e-2 else "FAILED"
    return f"{verdict}: saved {'equal' if same else 'NOT equal'}; the three losses after it at most {apart:.1e} apart"
