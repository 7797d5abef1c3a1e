"""Each figure of speed is one formula of durations and counts, checked against numbers worked out by hand."""

import time

import pytest
import torch

from tests.helpers.training import TOKENIZER, make_settings
from train.model.build import build, parameter_counts
from train.progress.throughput import (
    Pace,
    Stopwatch,
    flops_per_token,
    peak_flops,
    peak_memory,
    tokens_per_second,
    utilization,
)


@pytest.mark.parametrize(
    ("device", "peak"),
    [
        ("NVIDIA H100 80GB HBM3", 989e12),
        ("NVIDIA H100 PCIe", 756e12),
        ("NVIDIA A100-SXM4-80GB", 312e12),
        ("NVIDIA GeForce RTX 4090", 165.2e12),
        ("NVIDIA A10G", None),
        ("Some CPU", None),
    ],
)
def test_the_peak_is_that_of_the_device_or_unknown(device: str, peak: float | None) -> None:
    assert peak_flops(device) == peak


def test_gpt2_takes_about_6_flops_per_parameter_and_token_and_the_attention_on_top() -> None:
    blocks, head = 12 * 12 * 768**2, 50257 * 768
    flops = flops_per_token(blocks, head, layers=12, width=768, chunk_tokens=1024)
    assert flops == 6 * (blocks + head) + 12 * 12 * 768 * 1024
    assert flops / 6 == pytest.approx(142.4e6, rel=0.01)  # 124M, less positions, and 19M for attention at 1024


def test_the_counted_parameters_are_those_that_the_formula_is_about() -> None:
    model = build("causal", make_settings("causal", layers=3, heads=2, width=64), TOKENIZER, 24)
    outside = parameter_counts(model)["non_embedding_parameters"]
    assert outside == pytest.approx(3 * 12 * 64**2, rel=0.03)


def test_tokens_per_second_is_zero_before_any_time_has_passed() -> None:
    assert tokens_per_second(100, 0.0) == 0.0
    assert tokens_per_second(100, 4.0) == 25.0


def test_utilization_is_the_share_of_the_peak_and_unknown_without_one() -> None:
    assert utilization(1e6, 4e8, 1e15) == pytest.approx(0.4)
    assert utilization(1e6, 4e8, None) is None


def test_the_stopwatch_adds_up_by_kind_and_counts_blocks_that_fail() -> None:
    watch = Stopwatch()
    for _ in range(2):
        with watch.on("data"):
            time.sleep(0.01)
    with pytest.raises(TypeError), watch.on("train"):
        time.sleep(0.01, "too much")  # type: ignore[call-arg]
    assert watch.seconds_on("data") >= 0.02
    assert watch.seconds_on("train") > 0
    both = watch.seconds_on("data") + watch.seconds_on("train")
    assert watch.seconds_on("data", "train", "save") == pytest.approx(both)


def pace(peak: float | None = None) -> tuple[Pace, Stopwatch]:
    watch = Stopwatch({"data": 0.0, "train": 0.0, "save": 50.0})
    return Pace(watch, tokens_per_step=100, flops=2.0, peak=peak), watch


def spend(watch: Stopwatch, data: float, train: float) -> None:
    watch.seconds["data"] += data
    watch.seconds["train"] += train


def test_speed_is_counted_from_the_end_of_the_warm_up_and_per_interval() -> None:
    measured, watch = pace(peak=1000.0)
    spend(watch, 5.0, 55.0)  # compiles
    assert measured.since_last(3) == {}
    measured.start(3)
    assert measured.since_last(3) == {}, "no step since then"
    spend(watch, 1.0, 3.0)
    first = {"tokens_per_second": 50.0, "data_wait_fraction": 0.25, "model_flops_utilization": 0.1}
    assert measured.since_last(5) == first
    spend(watch, 0.0, 4.0)
    assert measured.since_last(9) == {
        "tokens_per_second": 100.0, "data_wait_fraction": 0.0, "model_flops_utilization": 0.2
    }  # fmt: skip
    assert measured.in_all(9) == {
        "tokens_per_second": 75.0, "data_wait_fraction": 0.125, "model_flops_utilization": 0.15, "warm_up_steps": 3
    }  # fmt: skip


def test_a_session_of_the_warm_up_alone_counts_all_of_it_and_says_so() -> None:
    measured, watch = pace()
    spend(watch, 0.0, 2.0)
    assert measured.in_all(2) == {"tokens_per_second": 100.0, "data_wait_fraction": 0.0, "warm_up_steps": 0}
    measured.start(2)
    assert measured.in_all(2)["warm_up_steps"] == 0


def test_memory_is_the_most_that_was_held_in_bytes() -> None:
    held = peak_memory(torch.device("cpu"))
    assert 2**26 < held < 2**40
    assert peak_memory(torch.device("cpu")) >= held
