"""Every token of a text is predicted once, after as many before it as fit; words and bytes are those of the text."""

import json
import math
from pathlib import Path

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from probes.likelihood.perplexity import as_lines, perplexity, read_texts, validation_texts
from probes.likelihood.predictions import windows
from wikilm.errors import UsageError

TEXTS = ["The river carries sand.\n\nIn winter  the lake freezes.", "Copper ü 日本", " a"]


@given(tokens=st.lists(st.integers(1, 99), max_size=60), length=st.integers(1, 20))
def test_windows_predict_every_token_once_from_what_stands_before_it(tokens: list[int], length: int) -> None:
    stream, done = [0, *tokens], 0
    for given_tokens, count in windows(tokens, 0, length):
        done += count
        assert given_tokens == stream[max(0, done - length) : done]
        assert 1 <= count <= len(given_tokens) <= length
    assert done == len(tokens)


def test_a_text_that_fits_is_predicted_as_one_after_the_token_that_starts_it(causal) -> None:
    ids = [causal.start_id, *causal.tokenizer(TEXTS[0])["input_ids"]]
    with torch.inference_mode():
        loss = causal.model(torch.tensor([ids]), labels=torch.tensor([ids])).loss.item()
    result = perplexity(causal, TEXTS[:1])
    assert result.tokens == len(ids) - 1 < causal.positions
    assert result.nats == pytest.approx(loss * result.tokens, rel=1e-5)
    assert (result.words, result.bytes) == (9, len(TEXTS[0]))
    assert math.log(result.word_perplexity) * 9 == pytest.approx(result.nats)
    assert result.bits_per_byte == pytest.approx(math.log2(result.byte_perplexity))


def test_texts_of_all_lengths_add_up_whatever_they_are_computed_with(causal) -> None:
    texts = [*TEXTS, TEXTS[0] * 20, TEXTS[1] * 30]
    parts = [perplexity(causal, [text]) for text in texts]
    whole = perplexity(causal, texts)
    for name in ("tokens", "words", "bytes"):
        assert getattr(whole, name) == sum(getattr(part, name) for part in parts)
    assert whole.nats == pytest.approx(sum(part.nats for part in parts), rel=1e-5)
    assert whole.tokens > 3 * causal.positions


def test_texts_survive_a_file(tmp_path: Path) -> None:
    texts = [*TEXTS, "\u2028 \x85 \x1e \n \r end"]
    (tmp_path / "t.jsonl").write_bytes(as_lines(texts).encode())
    assert read_texts(tmp_path / "t.jsonl") == texts


def test_the_texts_of_shards_are_those_between_their_ends_of_text(causal, tiny) -> None:
    texts = validation_texts(tiny / "shards", causal)
    assert "The lighthouse keeper counted the ships that passed before dawn." in texts
    assert not any("<|endoftext|>" in text for text in texts)


@pytest.mark.parametrize(
    "content", ["{", "[1]", '{"text": 5}', '{"txt": "a"}', "\xff", "[" * 100_000, '{"text": "\\ud800"}']
)
def test_what_is_no_text_is_refused_by_line(tmp_path: Path, content: str) -> None:
    (tmp_path / "t.jsonl").write_bytes(content.encode("latin-1"))
    with pytest.raises(UsageError, match=r"t\.jsonl: (cannot be read|line 1 is no object)"):
        read_texts(tmp_path / "t.jsonl")


def test_what_cannot_be_measured_is_refused(causal, masked) -> None:
    with pytest.raises(UsageError, match="is a masked model, which gives a text no probability"):
        perplexity(masked, TEXTS)
    with pytest.raises(UsageError, match="no text is in there"):
        perplexity(causal, [""])


def test_json_of_a_line_is_what_lm_eval_s_task_reads() -> None:
    assert json.loads(as_lines(["a"])) == {"text": "a"}
