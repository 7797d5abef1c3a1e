"""Each accelerate configuration is one that accelerate itself takes, says when to use it, and does not decide what."""

import argparse
import re

import pytest
from accelerate.commands.config.config_args import load_config_from_file
from accelerate.commands.launch import _validate_launch_command, launch_command_parser
from accelerate.utils import DistributedType

from tests.helpers import ROOT

CONFIGS = sorted(path.name for path in (ROOT / "launch").glob("*.yaml"))
PROCESSES = {  # file -> distributed type, processes, machines
    "cpu.yaml": ("NO", 1, 1),
    "eight-gpus.yaml": ("MULTI_GPU", 8, 1),
    "fsdp2.yaml": ("FSDP", 8, 1),
    "gpu.yaml": ("NO", 1, 1),
    "multi-gpu.yaml": ("MULTI_GPU", 2, 1),
    "two-nodes.yaml": ("MULTI_GPU", 16, 2),
}


def parsed(name: str, *flags: str) -> argparse.Namespace:
    """What `accelerate launch` makes of a configuration."""
    words = ["--config_file", str(ROOT / "launch" / name), *flags, "-m", "train", "--objective", "causal"]
    args, _, _ = _validate_launch_command(launch_command_parser().parse_args(words))
    return args


def test_the_files_are_those_that_are_known() -> None:
    assert sorted(PROCESSES) == CONFIGS


@pytest.mark.parametrize("name", CONFIGS)
def test_accelerate_takes_it(name: str) -> None:
    kind, processes, machines = PROCESSES[name]
    config = load_config_from_file(str(ROOT / "launch" / name))
    assert config.distributed_type == DistributedType(kind)
    args = parsed(name)
    assert (args.num_processes, args.num_machines) == (processes, machines)
    assert args.use_cpu == (name == "cpu.yaml")
    assert bool(args.multi_gpu) == (kind == "MULTI_GPU")
    assert bool(args.use_fsdp) == (kind == "FSDP")


@pytest.mark.parametrize("name", CONFIGS)
def test_it_says_when_to_use_it_and_leaves_the_numbers_to_the_params(name: str) -> None:
    text = (ROOT / "launch" / name).read_text(encoding="utf-8")
    assert re.search(r"^# When to use it: ", text, re.MULTILINE)
    assert load_config_from_file(str(ROOT / "launch" / name)).mixed_precision == "no"


@pytest.mark.parametrize("name", [name for name, (kind, *_) in PROCESSES.items() if kind != "NO"])
def test_processes_meet_on_the_loopback_unless_told_otherwise(name: str) -> None:
    assert parsed(name).main_process_ip == "127.0.0.1"
    assert parsed(name, "--main_process_ip", "192.0.2.1").main_process_ip == "192.0.2.1"


def test_flags_go_before_what_a_file_says() -> None:
    args = parsed("two-nodes.yaml", "--machine_rank", "1", "--num_processes", "4", "--main_process_port", "7")
    assert (args.machine_rank, args.num_processes, args.num_machines, args.main_process_port) == (1, 4, 2, 7)
