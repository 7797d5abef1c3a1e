"""Show what a model in training makes of a prompt: the likeliest text that follows, or what fills the masks."""

from typing import TYPE_CHECKING

import torch
from transformers import PreTrainedModel, PreTrainedTokenizerBase

from wikilm.terminal import visible

if TYPE_CHECKING:
    from train.settings import Objective

NEW_TOKENS = 24
TOP_K = 5


@torch.no_grad()
def sample(model: PreTrainedModel, tokenizer: PreTrainedTokenizerBase, objective: "Objective", prompt: str) -> str:
    """One line of text; the model is left in the mode it was in."""
    training = model.training
    model.eval()
    try:
        text = _continue(model, tokenizer, prompt) if objective == "causal" else _fill(model, tokenizer, prompt)
    finally:
        model.train(training)
    return visible(text)


def _continue(model: PreTrainedModel, tokenizer: PreTrainedTokenizerBase, prompt: str) -> str:
    """Continue the prompt greedily, as far as the context reaches."""
    positions = model.config.max_position_embeddings
    ids = tokenizer(prompt, return_tensors="pt")["input_ids"][:, -positions // 2 :].to(model.device)
    new = min(NEW_TOKENS, positions - ids.shape[1])
    out = model.generate(ids, attention_mask=torch.ones_like(ids), max_new_tokens=new, do_sample=False)
    return str(tokenizer.decode(out[0], skip_special_tokens=True))


def _fill(model: PreTrainedModel, tokenizer: PreTrainedTokenizerBase, prompt: str) -> str:
    """Return the prompt with, for each [MASK], its likeliest tokens and their probabilities."""
    positions = model.config.max_position_embeddings
    text = prompt.replace("[MASK]", tokenizer.mask_token)
    ids = tokenizer(text, return_tensors="pt")["input_ids"][:, :positions].to(model.device)
    probabilities = model(ids).logits[0].float().softmax(-1)
    words = []
    for place in (ids[0] == tokenizer.mask_token_id).nonzero()[:, 0]:
        best = probabilities[place].topk(TOP_K)
        pairs = zip(best.indices.tolist(), best.values.tolist(), strict=True)
        words.append(", ".join(f"{tokenizer.decode([token]).strip()} {chance:.2f}" for token, chance in pairs))
    return f"{prompt} -> {' | '.join(words)}"
