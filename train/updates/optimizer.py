"""Make the optimizers of a model; the learning rate is a pure function of the step.

Muon (K. Jordan et al. 2024, "Muon: An optimizer for hidden layers in neural networks") takes the matrices inside the
blocks; AdamW takes embeddings, the head, norms and biases, or everything.
"""

import math
from collections import defaultdict
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor
from torch.optim import AdamW, Optimizer
from transformers import PreTrainedModel

from train.model import has_bf16_units, is_embedding, is_shared_out, part_of, whole

if TYPE_CHECKING:
    from train.settings import PretrainSettings

MOMENTUM = 0.95
# One quintic after the other (Amsel et al. 2025, "The Polar Express", for singular values from 1e-3 to 1): each is the
# best for what those before it leave. Four raise small singular values as far as five of Jordan's one quintic do.
POLAR_EXPRESS = (
    (8.28721201814563, -23.595886519098837, 17.300387312530933),
    (4.107059111542203, -2.9478499167379106, 0.5448431082926601),
    (3.9486908534822946, -2.908902115962949, 0.5518191394370137),
    (3.3184196573706015, -2.488488024314874, 0.51004894012372),
)
SAFETY = 1.01  # the paper's: rounding must not bring a singular value above 1, where the quintics grow without bound
WSD_DECAY = 0.2  # share of the steps in which `wsd` lets the rate fall (Hägele et al. 2024 find 10 to 20 % enough)
# torch's own betas where AdamW has everything; beside Muon, whose runs are short, shorter memories.
BETAS = {"adamw": (0.9, 0.999), "muon": (0.8, 0.95)}


def learning_rate(step: int, steps: int, settings: "PretrainSettings") -> float:
    """Return the rate of step `step` (from 1) of `steps`: rises over the warmup, then falls as the schedule says."""
    warmup = round(settings.warmup_fraction * steps)
    if step <= warmup:
        return settings.learning_rate * step / warmup
    done = (step - 1 - warmup) / max(1, steps - warmup)  # 0 at the first step after the warmup, below 1 at the last
    final = settings.final_lr_fraction
    match settings.schedule:
        case "linear":
            left = 1 - done
        case "cosine":
            left = 0.5 * (1 + math.cos(math.pi * done))
        case "wsd":
            left = min(1.0, (1 - done) / WSD_DECAY)
        case _:
            left = 1.0
    return settings.learning_rate * (final + (1 - final) * left)


@dataclass(frozen=True)
class Matrix:
    """A hidden weight as Muon sees it: [out, in], the fused query, key and value of GPT-2 as three."""

    name: str
    parameter: Tensor
    transposed: bool
    pieces: int

    def views(self, tensor: Tensor) -> tuple[Tensor, ...]:
        """Return the pieces [out, in] of a tensor with this parameter's shape, sharing its memory."""
        return (tensor.T if self.transposed else tensor).chunk(self.pieces, dim=0)


def hidden_matrices(model: PreTrainedModel) -> list[Matrix]:
    """Return the two-dimensional weights that are neither an embedding nor the head."""
    convolved = {f"{name}.weight" for name, module in model.named_modules() if type(module).__name__ == "Conv1D"}
    return [
        Matrix(name, parameter, name in convolved, 3 if name.endswith(".c_attn.weight") else 1)
        for name, parameter in model.named_parameters()
        if parameter.ndim == 2 and not is_embedding(name)
    ]


def orthogonalize(matrices: Tensor) -> Tensor:
    """Bring the singular values of [n, rows, columns] near 1, in the dtype given.

    In fp32: `torch.optim.Muon` does this in bf16, which CPUs without AMX or AVX512-BF16 emulate many times slower.
    """
    tall = matrices.shape[1] > matrices.shape[2]
    x = matrices.mT if tall else matrices
    x = x / (x.norm(dim=(1, 2), keepdim=True) * SAFETY + 1e-7)
    # In bf16 the small matrix of a wide one forgets its small singular values.
    wide = x.shape[2] >= 2 * x.shape[1] and x.dtype in (torch.float32, torch.float64)
    x = _by_gram(x) if wide else _iterated(x)
    return x.mT if tall else x


def _iterated(x: Tensor) -> Tensor:
    """Replace x by (a + b xx' + c (xx')^2) x, once for each quintic."""
    for quintic in POLAR_EXPRESS:
        a, b, c = _safe(quintic)
        gram = x @ x.mT
        x = torch.baddbmm(x, torch.baddbmm(gram, gram, gram, beta=b, alpha=c), x, beta=a)
    return x


def _by_gram(x: Tensor) -> Tensor:
    """The same by products of xx' alone, which for [n, rows, 4 x rows] takes half the arithmetic.

    All factors are polynomials of xx', so they commute: with p = a + b xx' + c (xx')^2, the next xx' is p (xx') p.
    """
    gram = x @ x.mT
    factor = None
    for number, quintic in enumerate(POLAR_EXPRESS, start=1):
        a, b, c = _safe(quintic)
        p = torch.baddbmm(gram, gram, gram, beta=b, alpha=c)
        p.diagonal(dim1=1, dim2=2).add_(a)
        factor = p if factor is None else p @ factor
        if number < len(POLAR_EXPRESS):
            gram = p @ (gram @ p)
    return x if factor is None else factor @ x


def _safe(quintic: tuple[float, float, float]) -> tuple[float, float, float]:
    """The quintic of x / SAFETY."""
    a, b, c = quintic
    return a / SAFETY, b / SAFETY**3, c / SAFETY**5


class Muon(Optimizer):
    """SGD with an orthogonalized momentum: the step is as long in every direction of a matrix's space."""

    def __init__(self, matrices: Iterable[Matrix], lr: float, weight_decay: float) -> None:
        self.matrices = list(matrices)
        super().__init__([matrix.parameter for matrix in self.matrices], {"lr": lr, "weight_decay": weight_decay})

    @torch.no_grad()
    def step(self, closure: Any = None) -> None:  # type: ignore[override]
        """One update, matrices of one shape together."""
        lr, decay = self.param_groups[0]["lr"], self.param_groups[0]["weight_decay"]
        matrices, gradients = [], []
        for matrix in self.matrices:
            if matrix.parameter.grad is not None:
                matrices.append(matrix)
                gradients.append(matrix.parameter.grad)
        if not matrices:
            return
        parameters = [matrix.parameter for matrix in matrices]
        momenta = [self._momentum(parameter) for parameter in parameters]
        torch._foreach_mul_(parameters, 1 - lr * decay)
        torch._foreach_lerp_(momenta, gradients, 1 - MOMENTUM)
        ahead = torch._foreach_lerp(gradients, momenta, MOMENTUM)  # Nesterov's look ahead
        directions = [whole(direction) for direction in ahead]
        if is_shared_out(parameters[0]):  # all processes turn whole matrices, and each takes its part of them
            changes = [torch.zeros_like(direction) for direction in directions]
            move(matrices, changes, directions, lr)
            parts = [part_of(change, parameter) for change, parameter in zip(changes, parameters, strict=True)]
            torch._foreach_add_(parameters, parts)
        else:
            move(matrices, parameters, directions, lr)

    def _momentum(self, parameter: Tensor) -> Tensor:
        state = self.state[parameter]
        if "momentum" not in state:
            state["momentum"] = torch.zeros_like(parameter)
        return state["momentum"]


def move(matrices: Iterable[Matrix], weights: Iterable[Tensor], directions: Iterable[Tensor], lr: float) -> None:
    """Move weights against their directions, made orthogonal; both have the shapes of the matrices' parameters."""
    by_shape: dict[torch.Size, list[tuple[Tensor, Tensor]]] = defaultdict(list)
    for matrix, weight, direction in zip(matrices, weights, directions, strict=True):
        for moved, piece in zip(matrix.views(weight), matrix.views(direction), strict=True):
            by_shape[moved.shape].append((moved, piece))
    for shape, pairs in by_shape.items():
        one = pairs[0][1]
        # No name for the stack in full precision: it would live on while its copy in bf16 is worked on.
        pieces = torch.stack([piece for _, piece in pairs]).to(dtype_of_products(one))
        updates = orthogonalize(pieces).to(one.dtype)
        scale = max(1.0, shape[0] / shape[1]) ** 0.5  # an orthogonal [out, in] maps unit inputs to this size
        torch._foreach_add_([weight for weight, _ in pairs], list(updates.unbind()), alpha=-lr * scale)


def dtype_of_products(parameter: Tensor) -> torch.dtype:
    """Return in what matrices are orthogonalized: in bf16 where the device has units for it, as Jordan et al. do."""
    return torch.bfloat16 if has_bf16_units(parameter.device) else parameter.dtype


class Optimizers:
    """The optimizers of a model as one, whose state is named tensors that safetensors can hold."""

    def __init__(self, model: PreTrainedModel, settings: "PretrainSettings") -> None:
        matrices = hidden_matrices(model) if settings.optimizer == "muon" else []
        taken = {matrix.name for matrix in matrices}
        rest = [(name, parameter) for name, parameter in model.named_parameters() if name not in taken]
        lr, decay = settings.learning_rate, settings.weight_decay
        groups = [  # biases and the gains of norms are not pulled to zero
            {"params": [parameter for _, parameter in rest if parameter.ndim > 1], "weight_decay": decay},
            {"params": [parameter for _, parameter in rest if parameter.ndim < 2], "weight_decay": 0.0},
        ]
        share = settings.adamw_lr_fraction if matrices else 1.0
        # In one kernel, which keeps the step count on the parameter's device: for GPT-2's 124M parameters the update
        # takes a quarter of the time of separate operations.
        self._all: list[Optimizer] = [AdamW(groups, lr=lr * share, betas=BETAS[settings.optimizer], fused=True)]
        self._shares = [share]
        if matrices:
            self._all.append(Muon(matrices, lr, decay))
            self._shares.append(1.0)
        self._names = {parameter: name for name, parameter in model.named_parameters()}

    def step(self, rate: float) -> None:
        """Update all parameters at this learning rate, and forget their gradients."""
        for optimizer, share in zip(self._all, self._shares, strict=True):
            for group in optimizer.param_groups:
                group["lr"] = rate * share
            optimizer.step()
        self.zero_grad()

    def zero_grad(self) -> None:
        """Forget the gradients."""
        for optimizer in self._all:
            optimizer.zero_grad(set_to_none=True)

    @property
    def param_groups(self) -> list[dict[str, Any]]:
        """The groups of all optimizers, as torch's gradient scaler reads them."""
        return [group for optimizer in self._all for group in optimizer.param_groups]

    def state(self) -> dict[str, Tensor]:
        """`parameter name/state name` -> tensor."""
        return {
            f"{self._names[parameter]}/{key}": value
            for optimizer in self._all
            for parameter, state in optimizer.state.items()
            for key, value in state.items()
        }

    def load(self, state: Mapping[str, Tensor]) -> None:
        """Load what `state` returned."""
        parameters = {name: parameter for parameter, name in self._names.items()}
        owner = {p: optimizer for optimizer in self._all for group in optimizer.param_groups for p in group["params"]}
        for name, value in state.items():
            parameter = parameters[name.rpartition("/")[0]]
            owner[parameter].state[parameter][name.rpartition("/")[2]] = part_of(value, parameter)
