"""Write GPT-2 by hand, in nanoGPT's manner, for the benchmarks to compare with."""

from dataclasses import dataclass

import torch
from torch import Tensor, nn
from torch.nn import functional as F


@dataclass(frozen=True)
class Shape:
    """A model's size, and the rows of a step."""

    name: str
    layers: int
    heads: int
    width: int
    batch_size: int
    steps: int  # of a turn
    optimizer: str


class PlainGPT(nn.Module):
    """GPT-2 (Radford et al. 2019): blocks with the norm first, and a head that is the table of tokens."""

    def __init__(self, vocabulary: int, tokens: int, shape: Shape) -> None:
        super().__init__()
        self.tokens, self.places = nn.Embedding(vocabulary, shape.width), nn.Embedding(tokens, shape.width)
        self.blocks = nn.ModuleList(PlainBlock(shape) for _ in range(shape.layers))
        self.norm = nn.LayerNorm(shape.width)
        for parameter in self.parameters():
            if parameter.ndim > 1:
                nn.init.normal_(parameter, std=0.02)

    def forward(self, ids: Tensor, targets: Tensor) -> Tensor:
        """Mean loss over all tokens, fp32 []."""
        hidden = self.tokens(ids) + self.places(torch.arange(ids.shape[1], device=ids.device))
        for block in self.blocks:
            hidden = block(hidden)
        logits = F.linear(self.norm(hidden), self.tokens.weight)
        return F.cross_entropy(logits.flatten(0, 1), targets.flatten())


class PlainBlock(nn.Module):
    """Attention and a feed-forward network, each added to what came in."""

    def __init__(self, shape: Shape) -> None:
        super().__init__()
        width, self.heads = shape.width, shape.heads
        self.before, self.between = nn.LayerNorm(width), nn.LayerNorm(width)
        self.attend, self.join = nn.Linear(width, 3 * width), nn.Linear(width, width)
        self.feed = nn.Sequential(nn.Linear(width, 4 * width), nn.GELU(approximate="tanh"), nn.Linear(4 * width, width))

    def forward(self, hidden: Tensor) -> Tensor:
        """[rows, tokens, width] to the same."""
        rows, tokens, width = hidden.shape
        pieces = self.attend(self.before(hidden)).view(rows, tokens, 3, self.heads, -1).permute(2, 0, 3, 1, 4)
        mixed = F.scaled_dot_product_attention(*pieces.unbind(0), is_causal=True)
        hidden = hidden + self.join(mixed.transpose(1, 2).reshape(rows, tokens, width))
        return hidden + self.feed(self.between(hidden))
