"""A number out of its range is refused when a result is read, whatever record it stands in."""

from dataclasses import dataclass

import pytest
from pydantic import TypeAdapter, ValidationError

from probes.cloze import FillMaskResult
from probes.measuring import Share
from probes.records import Count, Finite, Fraction, Nats


@dataclass(frozen=True)
class Numbers:
    share: Fraction = 0.5
    count: Count = 1
    nats: Nats = 1.0
    score: Finite = -1.0


@pytest.mark.parametrize(
    "wrong",
    ["share: 1.01", "share: -0.1", "share: NaN", "count: -1", "count: 0.5", "nats: -1", "nats: Infinity", "score: NaN"],
)
def test_numbers_out_of_range_are_refused(wrong):
    name, value = wrong.split(": ")
    with pytest.raises(ValidationError):
        TypeAdapter(Numbers).validate_json(f'{{"{name}": {value}}}')


def test_a_share_lies_within_its_interval():
    text = '{"value": %s, "low": 0.2, "high": 0.4, "trials": 9}'
    assert TypeAdapter(Share).validate_json(text % 0.3) == Share(0.3, 0.2, 0.4, 9)
    with pytest.raises(ValidationError, match="not within its interval"):
        TypeAdapter(Share).validate_json(text % 0.5)


def test_figures_of_hidden_tokens_are_shares():
    with pytest.raises(ValidationError, match="masked_train_top5"):
        TypeAdapter(FillMaskResult).validate_json(
            '{"metrics": {"masked_train_top5": 70.5}, "masked_fraction": 0.15, "models": []}'
        )
