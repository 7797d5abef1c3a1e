"""Export a trained model as a `transformers` folder: weights, tokenizer, model card, training.json and sums."""

import json
import shutil
import stat
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pyarrow as pa
from safetensors import SafetensorError
from transformers import PreTrainedModel, PreTrainedTokenizerBase
from transformers.utils import logging

from train.export.card import model_card
from train.export.copies import Copy
from train.plan import refuse_foreign
from train.saved import as_os_error
from wikilm.exposures import write_exposures
from wikilm.files import new_folder
from wikilm.model_folder import TOKENIZER, TOKENIZER_CONFIG, TRAINING
from wikilm.shards import Manifest
from wikilm.sums import write_sums

FORMAT = 1
SPECIAL_TOKENS = "special_tokens_map.json"
TOKENIZER_FILES = (
    TOKENIZER,
    TOKENIZER_CONFIG,
    SPECIAL_TOKENS,
    "added_tokens.json",
    "vocab.json",
    "merges.txt",
)


def export(
    output: Path,
    model: PreTrainedModel,
    tokenizer: PreTrainedTokenizerBase,
    tokenizer_folder: Path,
    manifest: Manifest,
    figures: dict[str, Any],
    copies: Iterable[Copy] = (),
    exposures: Iterable[pa.RecordBatch] | None = None,
) -> None:
    """Write the finished model and copies of it within, all of it or nothing; the same bytes for the same run.

    Args:
        output: the folder to write, or to replace.
        model: the last weights.
        tokenizer: as loaded from `tokenizer_folder`.
        tokenizer_folder: its files, which are copied.
        manifest: of the shards.
        figures: for training.json and the card.
        copies: further weights, each for a folder within.
        exposures: the record of the rows that each step took, None for no such file.

    Raises:
        UsageError: `output` holds something else.
        OSError: it cannot be written, as when the device is full; what stood there before stays.
    """
    refuse_foreign(output)
    context = manifest.chunk_tokens
    pad = pad_token(tokenizer) if model.can_generate() else None
    if model.can_generate():
        model.generation_config.do_sample = False
        model.generation_config.max_length = context  # without it, pipelines ask for 256 new tokens
    logging.disable_progress_bar()
    with new_folder(output) as new, pad_id(model, tokenizer.convert_tokens_to_ids(pad) if pad else None):
        for copy in (Copy(".", dict(model.named_parameters()), figures), *copies):
            folder = new / copy.name
            try:
                model.save_pretrained(folder, state_dict=dict(copy.weights))
            except SafetensorError as error:
                raise as_os_error(error, output) from None
            for weights in folder.glob("*.safetensors"):  # which safetensors makes for the owner alone
                weights.chmod(stat.S_IMODE((folder / "config.json").stat().st_mode))
            copy_tokenizer(tokenizer_folder, folder, context, pad)
            record = {"format": FORMAT, **copy.figures}
            (folder / TRAINING).write_text(json.dumps(record, indent=1, ensure_ascii=False) + "\n", encoding="utf-8")
            if copy.has_card:
                card = model_card(copy.figures, manifest, str(tokenizer.mask_token))
                (folder / "README.md").write_text(card, encoding="utf-8")
        if exposures is not None:
            write_exposures(new, exposures)
        write_sums(new)  # last: they are of all that is in there


def copy_tokenizer(source: Path, folder: Path, context: int, pad: str | None) -> None:
    """Copy a tokenizer beside a model, with the model's context as its limit, and perhaps another padding token."""
    for name in TOKENIZER_FILES:
        if (source / name).is_file():
            shutil.copyfile(source / name, folder / name)
    named = {} if pad is None else {"pad_token": pad}
    for name, changes in ((TOKENIZER_CONFIG, named | {"model_max_length": context}), (SPECIAL_TOKENS, named)):
        if changes and (folder / name).is_file():
            config = json.loads((folder / name).read_text(encoding="utf-8")) | changes
            text = json.dumps(config, indent=2, ensure_ascii=False)
            (folder / name).write_text(f"{text}\n", encoding="utf-8")


def pad_token(tokenizer: PreTrainedTokenizerBase) -> str | None:
    """Return the token that pads a causal model's rows where end-of-text would; None to leave what is there.

    Collators take padding out of the labels. Were it end-of-text, a fine-tuned model would never learn to end. The mask
    token is in the vocabulary and in no text; a causal model has no other use for it.
    """
    if tokenizer.pad_token_id != tokenizer.eos_token_id or tokenizer.mask_token_id in (None, tokenizer.eos_token_id):
        return None
    return str(tokenizer.mask_token)


@contextmanager
def pad_id(model: PreTrainedModel, token: int | None) -> Iterator[None]:
    """Have the configurations of a model name a padding token while the block runs; None for the one that they name."""
    configs = [model.config, model.generation_config] if token is not None else []
    before = [config.pad_token_id for config in configs]
    for config in configs:
        config.pad_token_id = token
    try:
        yield
    finally:
        for config, value in zip(configs, before, strict=True):
            config.pad_token_id = value
