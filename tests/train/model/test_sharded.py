"""A model that processes share out computes what it computed, and is the same once it is whole again.

Here one process has all the parts; tests/flows/test_sharded.py has several.
"""

from collections.abc import Iterator

import pytest
import torch
from torch import Tensor, distributed, nn

from tests.helpers.training import SHAPE, TOKENIZER, make_settings
from train.model.build import build
from train.model.loss import SummedLoss
from train.model.sharded import Hollow, blocks, gathered, is_shared_out, part_of, shard, whole
from train.plan import causal_batch
from train.settings import Objective
from train.updates.optimizer import Optimizers

CPU = torch.device("cpu")
ROWS = torch.arange(48).reshape(2, 24)
KINDS: list[tuple[Objective, dict[str, object]]] = [
    ("causal", {}),
    ("causal", {"architecture": "llama"}),
    ("masked", {}),
]


@pytest.fixture
def group() -> Iterator[None]:
    """A group of one process."""
    distributed.init_process_group("gloo", store=distributed.HashStore(), rank=0, world_size=1)
    yield
    distributed.destroy_process_group()


def made(objective: Objective, more: dict[str, object]) -> SummedLoss:
    settings = make_settings(objective, **SHAPE, **more, dropout=0.0)
    return SummedLoss(build(objective, settings, TOKENIZER, 24), objective)


def learned(loss: SummedLoss, objective: Objective, optimizer: str) -> Tensor:
    """The loss of a batch, whose gradients update the parameters."""
    ids, positions, targets = (torch.from_numpy(part) for part in vars(causal_batch(ROWS.numpy())).values())
    found = loss(ids, positions, targets)
    found.backward()
    settings = make_settings(objective, **SHAPE, optimizer=optimizer)
    optimizers = Optimizers(loss.model, settings)
    optimizers.step(0.01)
    return found.detach()


@pytest.mark.usefixtures("group")
@pytest.mark.parametrize("optimizer", ["muon", "adamw"])
@pytest.mark.parametrize(("objective", "more"), KINDS, ids=["gpt2", "llama", "bert"])
def test_it_learns_what_it_would_have_learned_whole(
    objective: Objective, more: dict[str, object], optimizer: str
) -> None:
    plain, shared = made(objective, more), made(objective, more)
    hollow = shard(shared, CPU, 1, reshard_after_forward=True)
    assert all(is_shared_out(parameter) for parameter in shared.parameters())
    for _ in range(3):
        loss = learned(plain, objective, optimizer)
        assert torch.allclose(learned(shared, objective, optimizer), loss, rtol=1e-6)
    expected = dict(plain.model.named_parameters())
    found = hollow.filled(dict(shared.model.named_parameters()), CPU)
    assert [name for name, _ in found.named_parameters()] == list(expected)
    for name, parameter in found.named_parameters():
        if parameter.ndim == 2:  # a bias of keys has no gradient but what rounding leaves, which AdamW makes as large
            assert torch.allclose(parameter, expected[name], rtol=0, atol=1e-5), name


@pytest.mark.parametrize(("objective", "more"), KINDS, ids=["gpt2", "llama", "bert"])
def test_a_model_that_was_emptied_and_filled_is_the_model(objective: Objective, more: dict[str, object]) -> None:
    loss = made(objective, more)
    hollow = Hollow(loss.model)
    filled = hollow.filled(dict(loss.model.named_parameters()), CPU)
    assert torch.equal(loss.model(ROWS).logits, filled(ROWS).logits)
    tied = [sorted(model.state_dict(keep_vars=True).items()) for model in (loss.model, filled)]
    same = [[[id(one) == id(other) for _, other in named] for _, one in named] for named in tied]
    assert same[0] == same[1]


def test_each_block_is_gathered_by_itself_but_that_of_which_the_loss_calls_parts() -> None:
    assert len(blocks(made("causal", {}).model)) == 2
    assert len(blocks(made("masked", {}).model)) == 1


@pytest.mark.usefixtures("group")
def test_parts_and_wholes_are_each_others_inverse() -> None:
    layer = nn.Linear(3, 5)
    before = layer.weight.detach().clone()
    like = torch.distributed.tensor.distribute_tensor(
        torch.zeros(5, 3), torch.distributed.device_mesh.init_device_mesh("cpu", (1,))
    )
    assert torch.equal(whole(part_of(before, like)), before)
    assert not is_shared_out(part_of(torch.ones(()), like))  # a count of steps is everybody's
    assert torch.equal(gathered({"w": part_of(before, like)}, wanted=True)["w"], before)
    assert gathered({"w": like}, wanted=False) == {}
    assert part_of(before, layer.weight).data_ptr() != before.data_ptr()
