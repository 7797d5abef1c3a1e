"""Load the weights that a run starts from, in fp32, into a model with a row as its context."""

from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError
from safetensors.torch import load_file
from torch import Tensor
from transformers import (
    BertConfig,
    BertForMaskedLM,
    GPT2Config,
    GPT2LMHeadModel,
    LlamaConfig,
    LlamaForCausalLM,
    PreTrainedModel,
)

from train.model.build import TANH_GELU, run_fields
from train.plan import NAMES, WarmStart
from train.settings import PretrainSettings
from wikilm.errors import RunError, reason
from wikilm.limits import used_up
from wikilm.model_folder import SAID, Weights, refuse_unbacked, told_of
from wikilm.shards import Manifest

CONFIGS: dict[str, Any] = {"gpt2": GPT2Config, "llama": LlamaConfig, "bert": BertConfig}
MODELS: dict[str, Any] = {"gpt2": GPT2LMHeadModel, "llama": LlamaForCausalLM, "bert": BertForMaskedLM}
DTYPES = (torch.float64, torch.float32, torch.float16, torch.bfloat16)
POSITIONS = (".wpe.weight", ".position_embeddings.weight")
VOCABULARY = (  # whose first dimension is the vocabulary
    *(".wte.weight", ".word_embeddings.weight", ".embed_tokens.weight", ".lm_head.weight"),
    *(".predictions.bias", ".predictions.decoder.weight", ".predictions.decoder.bias"),
)
TABLES = tuple(name for name in VOCABULARY if name.endswith(".weight"))
# Parts of BERT that other tasks use, and buffers that older versions of transformers have saved.
IGNORED = (".pooler.dense.weight", ".pooler.dense.bias", ".seq_relationship.weight", ".seq_relationship.bias")
BUFFERS = (".attn.bias", ".attn.masked_bias", ".position_ids", ".rotary_emb.inv_freq")


def load(start: WarmStart, settings: PretrainSettings, manifest: Manifest) -> PreTrainedModel:
    """Load a model to train further; `torch`'s global generator is seeded as for an untrained one.

    Positions beyond a row are left out. An entry of the vocabulary that the model lacks is the mean of the others, so
    that the others stay about as likely as they were (Hewitt 2021, "Initializing New Word Embeddings").

    Raises:
        RunError: the weights are damaged, missing, no numbers, or not what the configuration says.
    """
    torch.manual_seed(settings.seed)
    with torch.no_grad():
        weights = read_weights(start.name, start.weights.files)
        config = config_of(start, settings, manifest)
        refuse_untied(start.name, config, weights)
        state = {name: fitted(name, tensor, manifest) for name, tensor in weights.items()}
        return filled(start.name, start.family, config, start.weights, state)


def filled(name: str, family: str, config: Any, weights: Weights, state: Mapping[str, Tensor]) -> PreTrainedModel:
    """Return a model in fp32 with tensors as its weights.

    Args:
        name: of the model, for errors.
        family: of `MODELS`.
        config: of the model.
        weights: the files that the tensors are from, which must hold what the config promises.
        state: the tensors by name.

    Raises:
        RunError: they are not what the config says.
        RuntimeError: memory or threads are used up.
    """
    try:
        refuse_unbacked(name, lambda: MODELS[family](config), weights)
        model, info = MODELS[family].from_pretrained(
            None, config=config, state_dict=state, dtype=torch.float32, output_loading_info=True
        )
    except RunError:
        raise
    except Exception as error:  # what transformers raises for shapes that do not fit is not documented
        if used_up(error):
            raise
        raise RunError(f"{name}: its weights do not fit its config.json: {told_of(error)}") from None
    refuse_parts(name, info)
    return model


def refuse_parts(name: str, info: Mapping[str, Iterable[str]]) -> None:
    """Raise where weights were missing, or are of another model.

    Args:
        name: of the model, for errors.
        info: what `from_pretrained` tells of the loading.

    Raises:
        RunError: it names the first one.
    """
    strange = [key for key in info["unexpected_keys"] if not ends(key, IGNORED + BUFFERS)]
    for what, keys in (("lacks", sorted(info["missing_keys"])), ("has unknown", sorted(strange))):
        if keys:
            raise RunError(f"{name}: {what} weights, {len(keys)} of them, first {keys[0]}: no whole model")


def config_of(start: WarmStart, settings: PretrainSettings, manifest: Manifest) -> Any:
    """Return the configuration of the model as the run has it.

    Raises:
        RunError: a field has a value that `transformers` does not know.
    """
    fields = start.fields
    if start.family == "llama":  # has no table of positions, and what its rotations are scaled by depends on the length
        fields["max_position_embeddings"] = start.positions
    else:
        fields[NAMES[start.family].positions] = manifest.chunk_tokens
    for name in ("activation_function", "hidden_act"):
        if fields.get(name) == "gelu_new":
            fields[name] = TANH_GELU
    run = run_fields(settings, manifest.tokenizer)
    try:
        return CONFIGS[start.family](**fields, **run, pad_token_id=None)
    except Exception as error:  # what transformers raises for each field is not documented
        raise RunError(f"{start.name}: its config.json is not understood: {reason(error)[:SAID]}") from None


def read_weights(name: str, files: Iterable[Path]) -> dict[str, Tensor]:
    """Return the tensors in files of safetensors.

    Raises:
        RunError: a file is damaged, or holds what is no number in a format that can be trained further.
    """
    weights: dict[str, Tensor] = {}
    for file in files:
        try:
            weights |= load_file(file)
        except (SafetensorError, OSError) as error:
            raise RunError(f"{name}: {file.name} is damaged ({reason(error)[:SAID]}); copy the model again") from None
    for key, tensor in weights.items():
        if ends(key, BUFFERS):
            continue
        if tensor.dtype not in DTYPES:
            raise RunError(f"{name}: {key} is of type {tensor.dtype}: quantized weights are not taken")
        if not tensor.isfinite().all():
            raise RunError(f"{name}: {key} holds what is no finite number: the model has diverged, or is damaged")
    return weights


def refuse_untied(name: str, config: Any, weights: Mapping[str, Tensor]) -> None:
    """Raise where a configuration says that the head is the embedding, and the weights have two.

    Raises:
        RunError: they do.
    """
    tables = [tensor for key, tensor in weights.items() if ends(key, TABLES)]
    if config.tie_word_embeddings and any(not torch.equal(tables[0], other) for other in tables[1:]):
        raise RunError(f"{name}: its config.json ties the head to the embedding, but its weights have two that differ")


def fitted(name: str, tensor: Tensor, manifest: Manifest) -> Tensor:
    """Return a tensor of the model with as many positions as a row, and as many entries as the vocabulary."""
    missing = manifest.tokenizer.vocab_size - len(tensor) if tensor.ndim else 0
    if ends(name, POSITIONS):
        return tensor[: manifest.chunk_tokens].clone()
    if ends(name, VOCABULARY) and missing == 1:
        return torch.cat([tensor, tensor.float().mean(0, keepdim=True).to(tensor.dtype)])
    return tensor


def ends(name: str, endings: tuple[str, ...]) -> bool:
    """Return whether the last parts of a tensor's name are one of these, whatever stands before them."""
    return f".{name}".endswith(endings)
