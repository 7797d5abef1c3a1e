"""Each thread has an encoder of its own, and all of a process come from one that was loaded once."""

import pytest

from pipeline.tokens import encoder_pool
from pipeline.tokens.encoder import GIGATOKEN, HARD_TEXT, TOKENIZERS, Encoder
from pipeline.tokens.encoder_pool import EncoderSpec
from tests.helpers.tokenizers import SENTENCES
from wikilm.errors import RunError


def test_an_encoder_is_lent_to_one_thread_at_a_time_and_loaded_once(tiny_tokenizer):
    spec = EncoderSpec(tiny_tokenizer, GIGATOKEN, Encoder(tiny_tokenizer).entry)
    with encoder_pool.encoder(spec) as one, encoder_pool.encoder(spec) as other:
        assert one is not other
        assert (one.entry, one.engine) == (other.entry, other.engine)
        texts = [HARD_TEXT, *SENTENCES]
        expected = [ids.tolist() for ids in one.encode_batch(texts)]
        assert [ids.tolist() for ids in other.encode_batch(texts)] == expected
    with encoder_pool.encoder(spec) as again:
        assert again in (one, other)


def test_a_worker_whose_tokenizer_is_not_that_of_the_run_is_refused(tiny_tokenizer):
    entry = Encoder(tiny_tokenizer).entry
    other = EncoderSpec(tiny_tokenizer, TOKENIZERS, entry.model_copy(update={"sha256": "0" * 64}))
    with pytest.raises(RunError, match="is not the one that the run began with"), encoder_pool.encoder(other):
        pass
