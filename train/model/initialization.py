"""Initialize a small model so that it begins with what needs no learning: tokens' frequencies, and where neighbors are.

From the usual first weights, normal numbers of 0.02, the first hundreds of steps go to shifting the output by the
tokens' frequencies, which moves all token embeddings along one common direction. Both models can start there: BERT's
output has a bias, and GPT-2's last norm has one that a dimension of the token embeddings turns into one for each token.

In BERT, a masked place says nothing itself either, so that no context is learned before some head has found the places
beside it, of which every position has others. So the first block's heads look at the tokens before and after (compare
"Mimetic initialization of self-attention layers", Trockman and Kolter 2023). docs/laptop-preset.md has what that gains.
"""

import math
from typing import TYPE_CHECKING

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn
from transformers import BertForMaskedLM, GPT2LMHeadModel, PreTrainedModel

if TYPE_CHECKING:
    from wikilm.shards import SplitRows

COUNTED_ROWS = 65_536  # rows that frequencies are counted in at most: 8 million tokens, a second
POSITION = 0.06  # amplitude of the positions' sinusoids, three times the tokens' 0.02: places have to be told apart
FREQUENCIES = (0.2, 2.8)  # radians per token, lowest and highest: a shift by one token is clear, and 128 do not repeat
SCORE = 20.0  # attention score of the place that a head looks at, where others are near 0
SPREAD = 0.05  # of the embeddings in GPT-2's dimension of frequencies, for a nat: what blocks read of it stays small
COPY = 1.5  # singular values of the value and output matrices: what is looked at arrives as strong as the place's own


def token_counts(rows: "SplitRows", vocab_size: int) -> NDArray[np.int64]:
    """Count each token in the rows, or in `COUNTED_ROWS` of them, evenly spread; int64 [vocab_size]."""
    counted = min(len(rows), COUNTED_ROWS)
    indices = np.arange(counted) * len(rows) // max(1, counted)
    return np.bincount(rows.take(indices).ravel(), minlength=vocab_size)


def initialize(model: PreTrainedModel, rows: "SplitRows") -> None:
    """Set the first weights of GPT-2 or BERT by the rows that it will be trained on; draws from `torch`'s generator."""
    counts = token_counts(rows, model.config.vocab_size)
    if isinstance(model, GPT2LMHeadModel):
        start_at_frequencies(model, counts)
    elif isinstance(model, BertForMaskedLM):
        look_at_neighbors(model, counts)


@torch.no_grad()
def start_at_frequencies(model: GPT2LMHeadModel, counts: NDArray[np.int64]) -> None:
    """Give the first dimension of the token embeddings, and the last norm's bias there, to the tokens' frequencies.

    Args:
        model: as `transformers` makes it, the head tied to the token embeddings.
        counts: int64 [vocab_size], how often each token stands in the training rows.
    """
    decoder = model.transformer
    frequencies = log_frequencies(counts)
    decoder.wte.weight[:, 0] = SPREAD * (frequencies - frequencies.mean())
    decoder.wpe.weight[:, 0] = 0
    decoder.ln_f.weight[0] = 0
    decoder.ln_f.bias[0] = 1 / SPREAD


@torch.no_grad()
def look_at_neighbors(model: BertForMaskedLM, counts: NDArray[np.int64]) -> None:
    """Set positions, the first block's attention and the output's bias; draws from `torch`'s global generator.

    Args:
        model: as `transformers` makes it; heads look at the tokens -1, +1, -2, +2 and so on away.
        counts: int64 [vocab_size], how often each token stands in the training rows.
    """
    embeddings, attention = model.bert.embeddings, model.bert.encoder.layer[0].attention
    positions, width = embeddings.position_embeddings.weight.shape
    radians = torch.exp(torch.linspace(math.log(FREQUENCIES[1]), math.log(FREQUENCIES[0]), width // 2))
    angles = torch.arange(positions)[:, None] * radians
    embeddings.position_embeddings.weight.copy_(_sinusoids(POSITION * angles.sin(), POSITION * angles.cos(), width))

    # What is left of a sinusoid's amplitude once the layer norm has brought token and position to a variance of 1.
    amplitude = POSITION / math.sqrt(model.config.initializer_range**2 + POSITION**2 / 2)
    heads = model.config.num_attention_heads
    for head in range(heads):
        offset = (head // 2 + 1) * (1 if head % 2 else -1)
        pairs = torch.arange(width // 2)[head::heads][: width // heads // 2]
        if not len(pairs):  # a head of one dimension tells no places apart
            continue
        query, key = _shifting(pairs, radians, offset, width)
        gain = math.sqrt(SCORE * math.sqrt(width // heads) / len(pairs)) / amplitude
        own = slice(head * (width // heads), head * (width // heads) + 2 * len(pairs))
        attention.self.query.weight[own] = gain * query
        attention.self.key.weight[own] = gain * key
    for matrix in (attention.self.value.weight, attention.output.dense.weight):
        nn.init.orthogonal_(matrix, gain=COPY)

    model.cls.predictions.bias.copy_(log_frequencies(counts))


def log_frequencies(counts: NDArray[np.int64]) -> Tensor:
    """Logarithms of the tokens' shares, each with half a token more, for those that stand nowhere; fp64."""
    frequencies = torch.from_numpy(counts + 0.5).double()
    return (frequencies / frequencies.sum()).log()


def _sinusoids(sines: Tensor, cosines: Tensor, width: int) -> Tensor:
    """[positions, width]: all sines, then all cosines; zeros where the width is odd."""
    return nn.functional.pad(torch.cat([sines, cosines], dim=1), (0, width % 2))


def _shifting(pairs: Tensor, radians: Tensor, offset: int, width: int) -> tuple[Tensor, Tensor]:
    """Queries and keys [2 x pairs, width], whose product is largest where the key stands `offset` after the query.

    A key reads the sine and the cosine of its place; a query reads those of its own, turned by the angle of the offset.
    """
    query, key = torch.zeros(2 * len(pairs), width), torch.zeros(2 * len(pairs), width)
    sine, cosine = torch.arange(len(pairs)) * 2, torch.arange(len(pairs)) * 2 + 1
    turn = radians[pairs] * offset
    key[sine, pairs] = key[cosine, pairs + width // 2] = 1.0
    query[sine, pairs] = query[cosine, pairs + width // 2] = turn.cos()
    query[sine, pairs + width // 2] = turn.sin()
    query[cosine, pairs] = -turn.sin()
    return query, key
