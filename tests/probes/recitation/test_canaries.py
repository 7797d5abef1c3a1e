"""A canary that a model was made to know is exposed whole, and one that it never saw is not."""

import math

import pytest
import torch

from probes.measuring import sample_rows
from probes.recitation.canaries import ask_canaries, by_times
from probes.settings import RecitationSettings
from tests.helpers.shards import make_shards
from wikilm.shards import CanaryEntry, manifest_bytes

SETTINGS = RecitationSettings(canary_references=63, batch_rows=8)
KNOWN = CanaryEntry(before="The tide noted", secret=" 4 7 1 1 0 9", after=".", times=64)
UNKNOWN = CanaryEntry(before="The river noted", secret=" 2 2 5 8 3 6", after=".", times=1)


@pytest.fixture(scope="module")
def manifest(tiny, tmp_path_factory):
    folder = tmp_path_factory.mktemp("planted")
    return make_shards(folder, tiny / "tokenizer").model_copy(update={"canaries": [KNOWN, UNKNOWN]})


@pytest.fixture(scope="module")
def taught(tiny):
    """A model that has learned the first sentence, and no other."""
    from probes.model import load

    loaded = load(str(tiny / "causal"))
    loaded.model.requires_grad_(True)
    ids = loaded.tokenizer(KNOWN.text, add_special_tokens=False)["input_ids"]
    row = torch.tensor([[loaded.tokenizer.eos_token_id, *ids]])
    steps = torch.optim.AdamW(loaded.model.parameters(), lr=0.01)
    for _ in range(40):
        loss = loaded.model(input_ids=row, labels=row).loss
        steps.zero_grad()
        loss.backward()
        steps.step()
    loaded.model.requires_grad_(False)
    return loaded


def test_what_was_learned_is_recited_and_ranked_first_and_what_was_not_is_not(taught, manifest):
    known, unknown = ask_canaries(taught, manifest, SETTINGS)
    assert (known.answer, known.equal_tokens, known.rank) == (KNOWN.secret, known.tokens, 1)
    assert known.exposure == pytest.approx(math.log2(64))
    assert unknown.equal_tokens < unknown.tokens
    assert unknown.loss > known.loss
    assert all(answer.exposure == pytest.approx(6 - math.log2(answer.rank)) for answer in (known, unknown))


def test_canaries_are_put_together_by_how_often_they_were_planted(taught, manifest):
    rare, frequent = by_times(ask_canaries(taught, manifest, SETTINGS), seed=0)
    assert (rare.times, rare.canaries, frequent.times, frequent.canaries) == (1, 1, 64, 1)
    assert frequent.tokens.value == frequent.whole.value == 1.0
    assert frequent.whole.low < 1.0


def test_the_same_seed_gives_the_same_ranks(causal, manifest):
    assert ask_canaries(causal, manifest, SETTINGS) == ask_canaries(causal, manifest, SETTINGS)


def test_shards_without_canaries_have_no_answers(causal, tiny):
    sample = sample_rows(tiny / "shards", causal, None, 0)
    assert ask_canaries(causal, sample.manifest, SETTINGS) == ()
    assert b"canar" not in manifest_bytes(sample.manifest)
