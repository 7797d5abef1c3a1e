"""What a launch file asks of sharding is done, or refused in a line that names the key and the way out."""

import os

import pytest

from train.hosts.sharding import FSDP, Sharding, asked_sharding, untold
from wikilm.errors import UsageError

ASKED = {FSDP: "true", "FSDP_VERSION": "2", "WORLD_SIZE": "2"}


def test_it_is_what_was_asked_for() -> None:
    assert asked_sharding(ASKED) == Sharding(reshard_after_forward=True)
    assert asked_sharding(ASKED | {"FSDP_RESHARD_AFTER_FORWARD": "false"}) == Sharding(reshard_after_forward=False)


@pytest.mark.parametrize("environment", [{}, {"WORLD_SIZE": "2"}, ASKED | {"WORLD_SIZE": "1"}, ASKED | {FSDP: "false"}])
def test_nobody_shares_where_it_was_not_asked_for_or_there_is_but_one(environment: dict[str, str]) -> None:
    assert asked_sharding(environment) is None


@pytest.mark.parametrize(
    ("variable", "value"),
    [
        ("FSDP_VERSION", "1"),
        ("FSDP_AUTO_WRAP_POLICY", "SIZE_BASED_WRAP"),
        ("FSDP_RESHARD_AFTER_FORWARD", "SHARD_GRAD_OP"),
        ("FSDP_OFFLOAD_PARAMS", "true"),
        ("FSDP_CPU_RAM_EFFICIENT_LOADING", "true"),
        ("FSDP_ACTIVATION_CHECKPOINTING", "true"),
    ],
)
def test_what_cannot_be_names_the_key_and_the_way_out(variable: str, value: str) -> None:
    with pytest.raises(UsageError, match=rf"^fsdp_config\.{variable.lower()}: {value} is .*; write "):
        asked_sharding(ASKED | {variable: value})


@pytest.mark.parametrize("name", ["DEEPSPEED", "MEGATRON_LM"])
def test_other_ways_to_share_parameters_name_ours(name: str) -> None:
    with pytest.raises(UsageError, match=r"launch/fsdp2\.yaml"):
        asked_sharding({f"ACCELERATE_USE_{name}": "true"})


def test_accelerate_is_not_told_while_it_joins_the_processes(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(FSDP, "true")
    with untold():
        assert FSDP not in os.environ
    assert os.environ[FSDP] == "true"
