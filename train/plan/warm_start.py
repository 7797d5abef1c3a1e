"""Find the model whose weights a run starts from, and check that it fits the settings, the shards and their tokenizer.

Of its config.json only the fields below are read. So no code, quantization or kind of attention that it names has any
effect. How the weights are loaded is in warm_weights.py.
"""

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

from train.settings import CausalSettings, Objective, PretrainSettings, Shape
from wikilm.errors import RunError, UsageError, reason
from wikilm.files import sha256_of
from wikilm.model_folder import CONFIG, TOKENIZER, Weights, read_config
from wikilm.params import checked
from wikilm.shards import Manifest

if TYPE_CHECKING:
    from transformers import PreTrainedTokenizerBase

S = TypeVar("S", bound=PretrainSettings)

FAMILIES: dict[Objective, tuple[str, ...]] = {"causal": ("gpt2", "llama"), "masked": ("bert",)}  # as model_type
TOKENIZERS = (TOKENIZER, "vocab.json", "vocab.txt", "tokenizer.model")  # a folder with none of these has no tokenizer


@dataclass(frozen=True)
class Names:
    """What the fields of a family's configuration are called."""

    shape: tuple[str, str, str]  # layers, heads, width
    positions: str
    others: tuple[str, ...]  # that say what the weights mean; what a run decides is in `model.run_fields`


_COMMON = ("num_hidden_layers", "num_attention_heads", "hidden_size"), "max_position_embeddings"
NAMES = {
    "gpt2": Names(
        ("n_layer", "n_head", "n_embd"),
        "n_positions",
        (
            *("n_inner", "activation_function", "layer_norm_epsilon", "initializer_range", "tie_word_embeddings"),
            *("scale_attn_weights", "scale_attn_by_inverse_layer_idx"),
        ),
    ),
    "llama": Names(
        *_COMMON,
        (
            *("num_key_value_heads", "head_dim", "intermediate_size", "hidden_act", "attention_bias", "mlp_bias"),
            *("rms_norm_eps", "initializer_range", "tie_word_embeddings"),
            *("rope_theta", "rope_scaling", "rope_parameters"),
        ),
    ),
    "bert": Names(
        *_COMMON,
        (
            *("intermediate_size", "hidden_act", "type_vocab_size", "layer_norm_eps", "initializer_range"),
            "tie_word_embeddings",
        ),
    ),
}
# Values of fields that make another model of the same weights: one that the loop does not train.
REFUSED = (
    ("is_decoder", True),
    ("add_cross_attention", True),
    ("position_embedding_type", "relative_key"),
    ("position_embedding_type", "relative_key_query"),
)


@dataclass(frozen=True)
class WarmStart:
    """A model to start from, found and read but for its weights."""

    name: str  # as the settings have it
    folder: Path
    commit: str | None  # of a model of the hub
    family: str  # its model_type
    config: Mapping[str, Any]  # config.json, without what would choose code
    weights: Weights

    @cached_property
    def hashes(self) -> dict[str, str]:
        """The sha256 of config.json and of each file of weights."""
        return {path.name: sha256_of(path) for path in (self.folder / CONFIG, *self.weights.files)}

    @property
    def digest(self) -> str:
        """16 hex digits that change with the configuration or the weights."""
        return hashlib.sha256(json.dumps(self.hashes, sort_keys=True).encode()).hexdigest()[:16]

    @property
    def shape(self) -> Shape:
        """Layers, heads and width."""
        return Shape(*(self.number(name) for name in NAMES[self.family].shape))

    @property
    def positions(self) -> int:
        """The longest input in tokens."""
        return self.number(NAMES[self.family].positions)

    def number(self, name: str) -> int:
        """Return a positive whole number of the configuration.

        Raises:
            RunError: it is none.
        """
        value = self.config.get(name)
        if not isinstance(value, int) or isinstance(value, bool) or value < 1:
            raise RunError(f"{self.name}: {CONFIG} has no whole number above 0 as {name}, but {str(value)[:40]}")
        return value

    @property
    def fields(self) -> dict[str, Any]:
        """Return what a model's configuration has to take over."""
        names = NAMES[self.family]
        return {name: self.config[name] for name in (*names.shape, *names.others) if name in self.config}

    def facts(self) -> dict[str, Any]:
        """Return what is told of it, in training.json and on the model card."""
        return {"from": self.name, "revision": self.commit, "sha256": self.hashes}


def find(settings: PretrainSettings, objective: Objective) -> WarmStart | None:
    """Find the model that the settings name, on this machine or on the hub; None where they name none.

    Raises:
        RunError: there is none, it is damaged, or its weights are pickled.
        UsageError: it is no model for this objective.
    """
    name = settings.init.source
    if name is None:
        return None
    is_folder = Path(name).is_dir()
    if is_folder and settings.init.revision:
        raise UsageError(f"init.revision: {settings.init.revision} is for models of the hub, but {name} is a folder")
    from wikilm.pretrained import model_folder, weights_of  # here, since most runs need no client of the hub

    folder = model_folder(name, settings.init.revision)
    try:
        weights, config = weights_of(name, folder), read_config(name, folder)
    except OSError as error:
        raise RunError(f"{name}: cannot be read: {reason(error)}") from None
    family = config["model_type"]
    if family not in FAMILIES[objective]:
        known = " or ".join(FAMILIES[objective])
        raise UsageError(f"{name}: is a model of type {family[:40]}, but objective {objective} starts from {known}")
    for field, value in REFUSED:
        if config.get(field) == value:
            raise UsageError(f"{name}: {CONFIG} has {field}: {value}, which is not trained here; name another model")
    return WarmStart(name, folder, None if is_folder else folder.name, family, config, weights)


def settled(settings: S, start: WarmStart, where: str) -> S:
    """Return the settings with the shape of the model where they leave it open.

    Args:
        settings: of the run.
        start: what it starts from.
        where: the file and section of the settings, for errors.

    Raises:
        UsageError: they name another shape or architecture, or have what goes with another shape alone.
    """
    wanted: dict[str, Any] = start.shape._asdict()
    if isinstance(settings, CausalSettings):
        wanted["architecture"] = start.family
    wrong = [
        f"{name} {value} (not {getattr(settings, name)})"
        for name, value in wanted.items()
        if getattr(settings, name) not in (None, value)
    ]
    if wrong:
        raise UsageError(
            f"{where}: {start.name}, which the weights are from, has {', '.join(wrong)}; write what it has, or leave "
            f"layers, heads and width empty"
        )
    return checked(settings.model_dump() | start.shape._asdict(), f"{where}: by {start.name}", type(settings), {}, "")


def check_fit(start: WarmStart, tokenizer: "PreTrainedTokenizerBase", manifest: Manifest) -> None:
    """Raise unless rows and token ids mean to the model what they mean to the shards.

    Raises:
        UsageError: the rows are longer than its context, or the tokenizer is another one.
    """
    if manifest.chunk_tokens > start.positions:
        raise UsageError(
            f"{start.name}: has {start.positions} positions, but the rows have {manifest.chunk_tokens} tokens; lower "
            f"shards.chunk_tokens, or name another model"
        )
    remedy = f"make the shards with its tokenizer (tokenizer.pretrained: {start.name}, tokenizer.vocab_size empty)"
    has, wanted = start.number("vocab_size"), manifest.tokenizer.vocab_size
    if any((start.folder / name).is_file() for name in TOKENIZERS):
        path = start.folder / TOKENIZER
        if not path.is_file() or sha256_of(path) != manifest.tokenizer.sha256:
            _check_tokenizer(start, tokenizer, remedy)
        # Which is the shards' one, then: what is over are rows of the embedding that stand for nothing, or some lack.
        remedy = f"save it after model.resize_token_embeddings({wanted}), and name that folder"
    else:
        remedy = (
            f"it has no tokenizer to compare: if its first entries are those of the shards, save it after "
            f"model.resize_token_embeddings({wanted}), and name that folder"
        )
    # A pretrained tokenizer without a mask token is given one at its end, which no row of a causal model holds.
    if has != wanted and not (has == wanted - 1 == manifest.tokenizer.mask_id):
        raise UsageError(
            f"{start.name}: has {has:,} entries in its vocabulary, but the shards' tokenizer has {wanted:,}; {remedy}"
        )


def _check_tokenizer(start: WarmStart, tokenizer: "PreTrainedTokenizerBase", remedy: str) -> None:
    """Raise unless a model's own tokenizer has the same entries as the shards' one, a mask token aside."""
    from transformers import AutoTokenizer

    try:
        own = AutoTokenizer.from_pretrained(start.folder, trust_remote_code=False).get_vocab()
    except Exception as error:  # a folder is input like any other, and what it can raise is not documented
        raise RunError(f"{start.name}: its tokenizer cannot be loaded: {reason(error)}") from None
    here = tokenizer.get_vocab()
    if (mask := str(tokenizer.mask_token)) not in own:  # the shards' one was given it
        here.pop(mask, None)
    if strange := sorted(token for token in here.keys() | own.keys() if here.get(token) != own.get(token)):
        first = strange[0]
        raise UsageError(
            f"{start.name}: its tokenizer is not that of the shards: {len(strange):,} entries differ, such as "
            f"{first[:40]!r} ({own.get(first, 'none')} there, {here.get(first, 'none')} here); {remedy}"
        )
