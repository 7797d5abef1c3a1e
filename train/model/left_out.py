"""Predict every token of a row from all the others, in one pass of a BERT with one layer.

With masks in its input, a BERT learns from the masked places alone, and from a context that has as many holes. In one
layer nothing that a token says reaches its own place but by its embedding, its key and its value. So each place can ask
as a mask does, of the other tokens as they are and of its own place as a mask: the sum of what it gets is the same as
if it alone had been masked beside the masks that are there (compare the diagonal that Shin et al. 2020, "Fast and
accurate deep bidirectional language representations for unsupervised learning", take out of the attention).
"""

import math

import torch
from torch import Tensor
from torch.nn import functional as F
from transformers import BertModel


def attended_left_out(bert: BertModel, input_ids: Tensor, mask_id: int) -> Tensor:
    """Return what the one layer's attention makes of each place, its token left out: [rows, tokens, width].

    Dropout in the masks' embeddings is the same in all rows.

    Args:
        bert: with one layer
        input_ids: int64 [rows, tokens]
        mask_id: the token that stands where one is left out
    """
    attention = bert.encoder.layer[0].attention
    heads, own = attention.self, torch.eye(input_ids.shape[1], dtype=torch.bool, device=input_ids.device)
    tokens = bert.embeddings(input_ids)
    masks = bert.embeddings(torch.full_like(input_ids[:1], mask_id))

    def split(states: Tensor) -> Tensor:  # [rows, heads, tokens, width of a head]
        return states.unflatten(2, (heads.num_attention_heads, -1)).transpose(1, 2)

    query = split(heads.query(masks)) / math.sqrt(heads.attention_head_size)
    value, mask_value = split(heads.value(tokens)), split(heads.value(masks))
    own_score = (query * split(heads.key(masks))).sum(-1, keepdim=True)
    scores = torch.where(own, own_score, query @ split(heads.key(tokens)).mT)
    shares = F.dropout(scores.softmax(-1), heads.dropout.p, heads.training)
    mixed = shares @ value + shares.diagonal(dim1=2, dim2=3)[..., None] * (mask_value - value)
    attended: Tensor = attention.output(mixed.transpose(1, 2).flatten(2), masks)
    return attended
