"""Load a model and its tokenizer from a folder or from the hub, out of safetensors and JSON alone."""

import inspect
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any, Literal

import torch
from safetensors import SafetensorError
from torch import Tensor, nn
from transformers import AutoConfig, AutoModelForCausalLM, AutoModelForMaskedLM, AutoTokenizer
from transformers.models.auto.modeling_auto import (
    MODEL_FOR_CAUSAL_LM_MAPPING_NAMES,
    MODEL_FOR_MASKED_LM_MAPPING_NAMES,
)
from transformers.utils import logging

from probes.model import pieces
from probes.model.device import device_of, dtype_of, rows_at_a_time
from probes.model.guard import guard_passes, guarded
from probes.model.head import only_at
from probes.model.pieces import Encoded, check_offsets
from probes.settings import ANY_MACHINE, Machine
from wikilm.errors import RunError, UsageError
from wikilm.limits import is_out_of_threads
from wikilm.model_folder import TOKENIZER, read_config, refuse_unbacked, told_of
from wikilm.pretrained import model_folder, weights_of

Kind = Literal["causal", "masked"]


@dataclass(frozen=True)
class LoadedModel:
    """A model in evaluation mode, with its tokenizer."""

    name: str  # as the caller gave it
    kind: Kind
    folder: Path  # where its files lie
    model: Any  # a transformers model with a language-model head
    tokenizer: Any  # a transformers tokenizer

    @property
    def short_name(self) -> str:
        """The last part of the name: `masked` for `models/masked`."""
        return Path(self.name).resolve().name if Path(self.name).is_dir() else self.name.rsplit("/", 1)[-1]

    @property
    def vocab_size(self) -> int:
        """Number of ids that stand for something: the rest of the model's output is padding."""
        return len(self.tokenizer)

    @property
    def device(self) -> torch.device:
        """Where its weights are, and so where its inputs belong."""
        return torch.device(self.model.device)

    @cached_property
    def positions(self) -> int | None:
        """The longest input in tokens, or None where the model sets no limit."""
        promised = getattr(self.model.config.get_text_config(), "max_position_embeddings", None)
        own = None if promised is None else int(promised) - self.reserved_positions
        limits = [own, self.tokenizer.model_max_length]
        known = [int(n) for n in limits if n is not None and 0 < n < 10**9]  # transformers writes 1e30 for "unknown"
        return min(known) if known else None

    @cached_property
    def reserved_positions(self) -> int:
        """How many rows of its table of positions stand for no place.

        RoBERTa and its kin count places from padding_idx + 1 on (`create_position_ids_from_input_ids` in transformers'
        modeling_roberta.py), and their configs promise the whole table.
        """
        promised = getattr(self.model.config.get_text_config(), "max_position_embeddings", None)
        found = [
            module.padding_idx + 1
            for name, module in self.model.named_modules()
            if isinstance(module, nn.Embedding)
            and "position" in name
            and module.padding_idx is not None
            and module.num_embeddings == promised
        ]
        return max(found, default=0)

    @property
    def cached_numbers(self) -> int:
        """About how many numbers the model's cache holds for a token."""
        config = self.model.config.get_text_config()
        return 2 * (getattr(config, "num_hidden_layers", None) or 1) * (getattr(config, "hidden_size", None) or 1)

    @property
    def output_size(self) -> int:
        """How many logits the model gives for a place: its vocabulary, padding included."""
        return int(self.model.config.get_text_config().vocab_size)

    @property
    def start_id(self) -> int:
        """The id before a text's first token: beginning of text, or end of text as GPT-2 has it.

        Raises:
            UsageError: the tokenizer has neither.
        """
        for token_id in (self.tokenizer.bos_token_id, self.tokenizer.eos_token_id):
            if token_id is not None:
                return int(token_id)
        raise UsageError(
            f"{self.name}: its tokenizer has no token for the start of a text; give a text that is not empty"
        )

    @property
    def mask_id(self) -> int:
        """The id that hides a token of a masked model's text.

        Raises:
            RunError: the tokenizer has none.
        """
        if self.tokenizer.mask_token_id is None:
            raise RunError(f"{self.name}: its tokenizer has no mask token, so nothing can be hidden from it")
        return int(self.tokenizer.mask_token_id)

    def logits(self, ids: Tensor, last: int = 0) -> Tensor:
        """Return the logits [texts, tokens, vocabulary] of texts of equal length, int64 [texts, tokens].

        All of a text is seen: an end-of-text token in it is no padding. With `last`, those of that many tokens at the
        end will do, and others are left out where the model can.
        """
        options: dict[str, Any] = {"use_cache": False} if self.takes("use_cache") else {}
        if last and self.takes("logits_to_keep"):
            options["logits_to_keep"] = last
        with torch.inference_mode():
            found: Tensor = self.model(input_ids=ids, attention_mask=torch.ones_like(ids), **options).logits
        return found

    def logits_at(self, ids: Tensor, places: Tensor) -> Tensor:
        """Return the logits [places, vocabulary] of some places of texts, bool [texts, tokens], in their order."""
        with only_at(self.model, places):
            found = self.logits(ids)
        return found[places] if found.shape[:2] == places.shape else found[0]

    def rows_at_a_time(self, tokens: int, places: int) -> int:
        """Return how many rows of `tokens` ids to compute at a time, where logits are made of `places` of each.

        Inside a block a token takes four times the width, as in GPT-2 and BERT.
        """
        width = getattr(self.model.config.get_text_config(), "hidden_size", None) or 1
        return rows_at_a_time(self.device, max(places * self.output_size, tokens * 4 * width))

    def tensor(self, values: Any, dtype: torch.dtype = torch.long) -> Tensor:
        """Return numbers, such as ids, a NumPy array or a tensor, as a tensor on the model's device."""
        return torch.as_tensor(values, dtype=dtype, device=self.device)

    def takes(self, name: str) -> bool:
        """Whether the model's `forward` has an argument of this name."""
        return name in self._arguments

    @cached_property
    def _arguments(self) -> frozenset[str]:
        return frozenset(inspect.signature(self.model.forward).parameters)

    def ranked(self, logits: Tensor) -> Tensor:
        """`logits` [..., vocabulary] in float32 with padding ids at minus infinity: they are never ranked.

        Raises:
            RunError: a logit is not a number, as after a training that diverged.
        """
        logits = logits.float()
        if logits.numel() and logits.amax().isnan():  # amax passes NaN on, and needs no mask of the size of the logits
            raise RunError(f"{self.name}: answers with NaN, so its weights are broken: train or copy the model again")
        if logits.shape[-1] > self.vocab_size:
            logits = logits.clone()
            logits[..., self.vocab_size :] = float("-inf")
        return logits

    def check_length(self, tokens: int, what: str) -> None:
        """Refuse an input longer than the model has positions.

        Raises:
            UsageError: it is; `what` names the input and the way out.
        """
        if self.positions is not None and tokens > self.positions:
            raise UsageError(
                f"{what}: {tokens} tokens, but {self.name} has {self.positions} positions: make it shorter"
            )

    def encode(self, text: str) -> Encoded:
        """Encode a whole text as the model reads it; see `pieces.encode_all`."""
        return self.encode_all([text])[0]

    def encode_all(self, texts: Sequence[str]) -> list[Encoded]:
        """Encode each text as `encode` does."""
        with guarded(self.name):
            return pieces.encode_all(self.tokenizer, texts)

    def show(self, token_id: int) -> str:
        """Return one piece by its text or its name, as `pieces.show` does."""
        with guarded(self.name):
            return pieces.show(self.tokenizer, token_id)

    def decode(self, ids: Sequence[int], *, special: bool = True) -> str:
        """Return the text of ids that make a whole; special tokens by name, or left out."""
        with guarded(self.name):
            return pieces.decode(self.tokenizer, ids, special=special)

    def decode_all(self, rows: Sequence[Sequence[int]]) -> list[str]:
        """Decode each of `rows` as `decode` does."""
        with guarded(self.name):
            return pieces.decode_all(self.tokenizer, rows)

    def text_after(self, prefix: Sequence[int], ids: Sequence[int], *, special: bool = True) -> str:
        """Return what `ids` add to the text of `prefix`; see `pieces.text_after`."""
        with guarded(self.name):
            return pieces.text_after(self.tokenizer, prefix, ids, special=special)

    def texts_after(self, prefix: Sequence[int], ids: Sequence[int], *, special: bool = True) -> tuple[str, ...]:
        """Return what each of `ids` adds to the text before it; joined, they are `text_after`."""
        with guarded(self.name):
            return pieces.texts_after(self.tokenizer, prefix, ids, special=special)


def load(name: str, machine: Machine = ANY_MACHINE) -> LoadedModel:
    """Load a masked or causal language model by the architecture that its config names.

    Raises:
        UsageError: this machine lacks the device or the numbers asked for.
        RunError: no such folder or hub name, the hub out of reach, no weights, pickled weights only, damaged or
            incomplete weights, or an architecture that is neither.
    """
    device = device_of(machine)
    dtype = dtype_of(machine, device)
    folder = model_folder(name)
    with _quietly(), _one_line(name):
        weights = weights_of(name, folder)
        content = read_config(name, folder)
        config = AutoConfig.for_model(**content)
        kind = _kind(name, config)
        tokenizer = AutoTokenizer.from_pretrained(folder, trust_remote_code=False)
        auto = AutoModelForMaskedLM if kind == "masked" else AutoModelForCausalLM
        refuse_unbacked(name, lambda: auto.from_config(config, trust_remote_code=False), weights)
        model, info = auto.from_pretrained(
            folder,
            config=config,
            dtype=dtype,
            use_safetensors=True,
            trust_remote_code=False,
            output_loading_info=True,
        )
    missing = sorted(info["missing_keys"])
    if missing:  # transformers would go on with random numbers in their place
        raise RunError(f"{weights.path}: {len(missing)} weights are missing, first {missing[0]}: not a whole model")
    if len(tokenizer) > config.get_text_config().vocab_size:
        raise RunError(
            f"{name}: its tokenizer has {len(tokenizer)} entries and its model {config.get_text_config().vocab_size}: "
            "they are not of one model"
        )
    check_offsets(name, tokenizer)
    guard_passes(name, model)
    return LoadedModel(name, kind, folder, _put(name, model, device), tokenizer)


def _put(name: str, model: Any, device: torch.device) -> Any:
    """Put a model on a device, ready to answer."""
    try:
        return model.to(device).eval().requires_grad_(False)
    except torch.OutOfMemoryError:
        raise RunError(f"{name}: does not fit into the device: give --dtype bfloat16 or --device cpu") from None


def load_tokenizer(folder: Path) -> Any:
    """Load the tokenizer of a local folder.

    Raises:
        RunError: there is none.
    """
    if not (folder / TOKENIZER).is_file():
        raise RunError(f"{folder}: holds no {TOKENIZER}; make it with python -m pipeline.tokenizer")
    with _quietly(), _one_line(str(folder)):
        return AutoTokenizer.from_pretrained(folder, trust_remote_code=False)


def _kind(name: str, config: Any) -> Kind:
    """Masked or causal, by the first architecture that the config names."""
    architecture = (config.architectures or ["none"])[0]
    # Encoders have a causal class too (BertLMHeadModel), and some classes stand in both lists: masked goes first.
    if architecture in MODEL_FOR_MASKED_LM_MAPPING_NAMES.values():
        return "masked"
    if architecture in MODEL_FOR_CAUSAL_LM_MAPPING_NAMES.values():
        return "causal"
    raise RunError(f"{name}: config.json names the architecture {architecture}: neither a masked nor a causal model")


@contextmanager
def _quietly() -> Iterator[None]:
    """Load without transformers' own notes and bars: what matters is checked here."""
    verbosity, bar = logging.get_verbosity(), logging.is_progress_bar_enabled()
    logging.set_verbosity_error()
    logging.disable_progress_bar()
    try:
        yield
    finally:
        logging.set_verbosity(verbosity)
        if bar:
            logging.enable_progress_bar()


@contextmanager
def _one_line(name: str) -> Iterator[None]:
    """Report a damaged or unknown model in one line that names it."""
    try:
        yield
    except RunError:
        raise
    except SafetensorError as error:
        raise RunError(f"{name}: its weights are damaged ({error}): copy or train them again") from None
    except Exception as error:  # what a folder from elsewhere can make transformers raise is not documented
        if is_out_of_threads(error):
            raise
        raise RunError(f"{name}: cannot be loaded: {told_of(error)}") from None
