"""An encoder gives the same ids with either engine, and refuses a folder that holds no sound tokenizer."""

import json
import shutil

import gigatoken
import pyarrow as pa
import pytest
from transformers import AutoTokenizer, BertTokenizerFast

import pipeline.tokens.encoder
from pipeline.tokenizer import load, save
from pipeline.tokens.encoder import GIGATOKEN, HARD_TEXT, TOKENIZERS, Encoder
from tests.helpers.tokenizers import SENTENCES
from wikilm.errors import RunError


def test_special_tokens_in_a_text_are_ordinary_text(tiny_tokenizer):
    encoder = Encoder(tiny_tokenizer)
    [ids] = encoder.encode_batch(["a <|endoftext|> b <|mask|> c"])
    assert not {encoder.end_of_text_id, encoder.mask_id} & set(ids.tolist())
    assert encoder.decode(ids) == "a <|endoftext|> b <|mask|> c"


def test_both_engines_give_the_same_ids(tiny_tokenizer):
    fast, reference = Encoder(tiny_tokenizer), Encoder(tiny_tokenizer, TOKENIZERS)
    assert (fast.engine, fast.note, reference.engine) == (GIGATOKEN, None, TOKENIZERS)
    texts = [HARD_TEXT, "", *SENTENCES]
    found, expected = fast.encode_batch(texts), reference.encode_batch(texts)
    assert len(found) == len(expected) == len(texts)
    assert (found.ids.dtype, found.offsets.dtype) == (expected.ids.dtype, expected.offsets.dtype) == ("uint16", "int64")
    assert [ids.tolist() for ids in found] == [ids.tolist() for ids in expected]


@pytest.mark.parametrize("engine", [GIGATOKEN, TOKENIZERS])
def test_ids_have_the_type_of_shards_and_one_beyond_the_vocabulary_is_refused_rather_than_cut(tiny_tokenizer, engine):
    encoder = Encoder(tiny_tokenizer, engine)
    ids = encoder.encode_batch(SENTENCES).ids
    for vocab_size, dtype in ((2**16, "uint16"), (2**16 + 1, "uint32")):
        encoder.vocab_size = vocab_size
        found = encoder.encode_batch(SENTENCES).ids
        assert (found.dtype, found.tolist()) == (dtype, ids.tolist())
        assert encoder.encode_batch([]).ids.dtype == dtype
    encoder.vocab_size = largest = int(ids.max())
    with pytest.raises(RunError, match=f"gave id {largest}, but has {largest} entries"):
        encoder.encode_batch(SENTENCES)


def test_what_gigatoken_remembers_is_dropped_now_and_then_and_changes_no_id(tiny_tokenizer, monkeypatch):
    encoder, words = Encoder(tiny_tokenizer, GIGATOKEN), HARD_TEXT.split()
    expected, first = [ids.tolist() for ids in encoder.encode_batch(words)], encoder._fast
    monkeypatch.setattr(pipeline.tokens.encoder, "FORGET_AFTER_IDS", 10)
    for _ in range(3):
        assert [ids.tolist() for ids in encoder.encode_batch(words)] == expected
    assert encoder._fast is not first


def test_an_engine_that_disagrees_is_not_used_and_that_is_said(tiny_tokenizer):
    encoder = Encoder(tiny_tokenizer)
    other = json.loads((tiny_tokenizer / "tokenizer.json").read_bytes())
    other["model"]["merges"] = []
    encoder._fast = gigatoken.Tokenizer.from_json(json.dumps({**other, "added_tokens": []}))
    encoder.compare(SENTENCES[:1])
    assert encoder.engine == TOKENIZERS
    assert "different ids" in encoder.note
    assert encoder.encode_batch(SENTENCES).ids.tolist() == Encoder(tiny_tokenizer).encode_batch(SENTENCES).ids.tolist()


def test_a_tokenizer_that_gigatoken_refuses_is_encoded_by_tokenizers(tmp_path):
    vocab = [
        "[PAD]",
        "[UNK]",
        "[CLS]",
        "[SEP]",
        "[MASK]",
        *["the", "river", "of", "stone", "runs", "under", "a", "bridge"],
        *"abcdefghij",
    ]
    (tmp_path / "vocab.txt").write_text("\n".join(dict.fromkeys(vocab)))
    BertTokenizerFast(vocab=str(tmp_path / "vocab.txt")).save_pretrained(tmp_path / "bert")
    encoder = save(load(str(tmp_path / "bert")), tmp_path / "made", {})
    assert encoder.engine == TOKENIZERS
    assert "gigatoken refuses" in encoder.note or "different ids" in encoder.note
    loaded = AutoTokenizer.from_pretrained(tmp_path / "made")
    assert (encoder.end_of_text_id, encoder.mask_id) == (loaded.sep_token_id, loaded.mask_token_id)
    [ids] = encoder.encode_batch(["The river [MASK] bridge"])
    assert ids.tolist() == loaded("The river", add_special_tokens=False)["input_ids"] + ids[2:-1].tolist() + [
        loaded.convert_tokens_to_ids("bridge")
    ]
    assert encoder.mask_id not in ids


def test_texts_may_come_as_a_slice_of_an_arrow_column_of_any_length(tiny_tokenizer):
    column = pa.array(["not this", *SENTENCES, "", "é", "nor that"]).slice(1, len(SENTENCES) + 2)
    for engine in (GIGATOKEN, TOKENIZERS):
        encoder = Encoder(tiny_tokenizer, engine)
        texts = [ids.tolist() for ids in encoder.encode_batch(column.to_pylist())]
        assert [ids.tolist() for ids in encoder.encode_batch(column)] == texts
        assert len(encoder.encode_batch(column.slice(0, 0))) == 0


@pytest.mark.parametrize(
    ("spoil", "named"),
    [
        (lambda copy: (copy / "tokenizer.json").unlink(), "python -m pipeline.tokenizer"),
        (lambda copy: (copy / "tokenizer_config.json").unlink(), "python -m pipeline.tokenizer"),
        (lambda copy: (copy / "tokenizer.json").write_text('{"model": 3}'), "tokenizer.json: not a tokenizer"),
        (lambda copy: (copy / "tokenizer.json").write_bytes(b"\xff\xfe"), "tokenizer.json: not a tokenizer"),
        (lambda copy: (copy / "tokenizer_config.json").write_text("[]"), "JSON object"),
        (lambda copy: (copy / "tokenizer_config.json").write_text("{"), "not a readable tokenizer"),
        (lambda copy: (copy / "tokenizer_config.json").write_text("{}"), "names no eos_token or sep_token"),
    ],
)
def test_a_spoilt_tokenizer_folder_is_named_with_the_way_out(tiny_tokenizer, tmp_path, spoil, named):
    copy = shutil.copytree(tiny_tokenizer, tmp_path / "copy")
    spoil(copy)
    with pytest.raises(RunError, match=named) as caught:
        Encoder(copy)
    assert str(copy) in str(caught.value)
    assert "\n" not in str(caught.value)
