"""Measure how well a causal model predicts texts: perplexity per token, word and byte, counted as `lm-eval` counts.

EleutherAI's lm-eval calls this `loglikelihood_rolling` (https://github.com/EleutherAI/lm-evaluation-harness, lm_eval/
utils.py and api/task.py): every token of a text is predicted once, in windows as long as the model's context.
"""

import json
import math
import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from probes.likelihood.calibration import Calibration, calibrate
from probes.likelihood.calibration import describe as describe_calibration
from probes.likelihood.predictions import predict
from probes.measuring import same_vocabulary
from probes.model import LoadedModel
from probes.output import counted, table
from probes.records import Count, Nats
from wikilm.errors import RunError, UsageError, reason
from wikilm.shards import open_checked
from wikilm.terminal import visible

MOST_NATS = 700.0  # exp of more is no float any more
TEXT = "text"  # the key of a line of JSON


@dataclass(frozen=True)
class Perplexity:
    """How surprising texts are to a model."""

    model: str
    texts: Count
    tokens: Count
    words: Count  # pieces between white space
    bytes: Count  # of UTF-8
    nats: Nats  # the negative log-likelihood of all tokens
    token_perplexity: Nats
    word_perplexity: Nats
    byte_perplexity: Nats
    bits_per_byte: Nats
    calibration: Calibration


def perplexity(loaded: LoadedModel, texts: Sequence[str]) -> Perplexity:
    """Measure the perplexity of texts, each from its first token on, which follows the token that starts a text.

    Raises:
        UsageError: the model is masked, or there is no text.
    """
    if loaded.kind != "causal":
        raise UsageError(f"{loaded.name}: is a masked model, which gives a text no probability; name a causal one")
    if not any(texts):
        raise UsageError('--texts: no text is in there; write one JSON object a line, such as {"text": "A river."}')
    tokens = [loaded.tokenizer(text, add_special_tokens=False, verbose=False)["input_ids"] for text in texts]
    found = predict(loaded, tokens)
    nats = sum(float(one.nats.sum()) for one in found)
    sure = calibrate(
        np.concatenate([one.confidence for one in found]), np.concatenate([one.ranks for one in found]) == 1
    )
    counts = (
        sum(map(len, tokens)),
        sum(len(re.split(r"\s+", text)) for text in texts),
        sum(len(text.encode()) for text in texts),
    )
    by_token, by_word, by_byte = (math.exp(min(nats / max(1, count), MOST_NATS)) for count in counts)
    bits = nats / math.log(2) / max(1, counts[2])
    return Perplexity(loaded.name, len(texts), *counts, nats, by_token, by_word, by_byte, bits, sure)


def read_texts(file: Path) -> list[str]:
    """Read texts from lines of JSON, each an object with the key `text`.

    Raises:
        UsageError: the file cannot be read, or a line is no such object.
    """
    texts = []
    try:
        for number, line in enumerate(file.read_text(encoding="utf-8").split("\n"), start=1):
            if line.strip():
                content = json.loads(line)
                if not isinstance(content, dict) or not isinstance(content.get(TEXT), str):
                    raise UsageError(f'{file}: line {number} is no object with a text, such as {{"text": "A river."}}')
                content[TEXT].encode()  # half a character is no text
                texts.append(content[TEXT])
    except (OSError, ValueError, RecursionError) as error:
        raise UsageError(f"--texts {file}: cannot be read: {reason(error)[:200]}") from None
    return texts


def validation_texts(folder: Path, loaded: LoadedModel) -> list[str]:
    """Return the text of the validation rows of shards: what stands between ends of text, article by article.

    The last article of a shard may be cut, and so is what a row of `document` chunking holds.

    Raises:
        RunError: no finished shards, damaged ones, none with rows, or ids of another vocabulary than the model's.
    """
    shards = open_checked(folder)
    same_vocabulary(shards, loaded)
    rows, end, done = shards.rows("validation"), shards.manifest.tokenizer.end_of_text_id, 0
    if not len(rows):
        raise RunError(f"{folder}: the validation split has no rows: raise split.validation_fraction")
    texts = []
    for shard in shards.manifest.shards_of("validation"):
        stream = rows.take(np.arange(done, done + shard.rows))
        done += shard.rows
        streams = [stream.ravel()] if shards.manifest.chunking == "pack" else list(stream)
        for one in streams:
            pieces = np.split(one, np.flatnonzero(one == end))
            texts += [loaded.tokenizer.decode(piece[piece != end].tolist()) for piece in pieces]
    return [text for text in texts if text]


def as_lines(texts: Sequence[str]) -> str:
    """Return texts as lines of JSON, as `read_texts` and the task of lm-eval read them."""
    return "".join(json.dumps({TEXT: text}, ensure_ascii=False) + "\n" for text in texts)


def describe(result: Perplexity) -> str:
    """Lay out the figures for people."""
    rows = [("per", "perplexity", "count")]
    rows += [
        (name, f"{value:,.2f}", f"{count:,}")
        for name, value, count in (
            ("token", result.token_perplexity, result.tokens),
            ("word", result.word_perplexity, result.words),
            ("byte", result.byte_perplexity, result.bytes),
        )
    ]
    head = f"{visible(result.model)} on {counted(result.texts, 'text')}: {result.bits_per_byte:.4f} bits per byte"
    return f"{head}\n\n{table(rows)}\n\n{describe_calibration(result.calibration)}\n"
