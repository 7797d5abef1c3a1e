"""Open the shards and the tokenizer that a run reads, and see that they go together."""

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from train.settings import PretrainSettings
from wikilm.errors import RunError, UsageError
from wikilm.files import sha256_of
from wikilm.model_folder import TOKENIZER, TOKENIZER_CONFIG
from wikilm.shards import SPLITS, Manifest, ShardFolder, open_checked

if TYPE_CHECKING:
    from transformers import PreTrainedTokenizerBase


def shards_with_rows(folder: Path, splits: Sequence[str] = SPLITS) -> ShardFolder:
    """Open the shards in `folder`, which must have rows in these splits.

    Raises:
        RunError: they are missing, damaged or empty.
    """
    shards = open_checked(folder)
    for split in splits:
        if not shards.manifest.row_count(split):
            remedy = "take more articles" if split == "train" else "raise split.validation_fraction"
            raise RunError(f"{folder}: no rows for {split}; {remedy}, or shorten shards.chunk_tokens")
    return shards


def validation_sets(named: Sequence[tuple[str, Path]], shards: ShardFolder) -> dict[str, ShardFolder]:
    """Open further sets to validate on, each with its name: their rows have to be what this model can read.

    Raises:
        UsageError: a name comes twice; another tokenizer made a set, or its rows are longer.
        RunError: one is missing, damaged, or has no rows for validation.
    """
    found: dict[str, ShardFolder] = {}
    for name, folder in named:
        told = f"--validation {name}={folder}"
        if name in found:
            raise UsageError(f"{told}: {name} names {found[name].path} already; take another name")
        opened = shards_with_rows(folder, ("validation",))
        ours, theirs = shards.manifest, opened.manifest
        if theirs.tokenizer != ours.tokenizer:
            raise UsageError(
                f"{told}: another tokenizer made these shards (sha256 {theirs.tokenizer.sha256[:12]}) than "
                f"{shards.path} ({ours.tokenizer.sha256[:12]}); make them again with that one"
            )
        if theirs.chunk_tokens > ours.chunk_tokens:
            raise UsageError(
                f"{told}: rows of {theirs.chunk_tokens} tokens, but a model of {shards.path} reads "
                f"{ours.chunk_tokens}; make them again with shards.chunk_tokens {ours.chunk_tokens} or less"
            )
        found[name] = opened
    return found


def matching_tokenizer(folder: Path, shards: Path, manifest: Manifest) -> "PreTrainedTokenizerBase":
    """Load the tokenizer in `folder`, which must be the one that made the shards."""
    path = folder / TOKENIZER
    if not path.is_file():
        raise UsageError(f"{path}: no such file; make a tokenizer with python -m pipeline.tokenizer")
    if (digest := sha256_of(path)) != manifest.tokenizer.sha256:
        raise UsageError(
            f"{path}: not the tokenizer that made {shards} (sha256 {digest[:12]}, its manifest names "
            f"{manifest.tokenizer.sha256[:12]}); name the one that did, or make the shards again"
        )
    # Only now, as it takes seconds: what is wrong with files and settings has been told.
    from transformers import AutoTokenizer
    from transformers.utils import logging

    logging.set_verbosity_error()
    logging.disable_progress_bar()
    try:
        tokenizer = AutoTokenizer.from_pretrained(folder, trust_remote_code=False)
    except Exception as error:  # a folder is input like any other, and what it can raise is not documented
        raise UsageError(f"{folder}: AutoTokenizer cannot load it: {error}") from None
    if len(tokenizer) != manifest.tokenizer.vocab_size:
        raise UsageError(
            f"{folder}: {len(tokenizer)} entries, but {shards} was made with {manifest.tokenizer.vocab_size}; "
            f"name the tokenizer that made the shards"
        )
    entry = manifest.tokenizer
    if entry.end_of_text_id not in (tokenizer.eos_token_id, tokenizer.sep_token_id):
        raise UsageError(told_special(folder, "an end-of-text token", entry.end_of_text_id, shards))
    if entry.mask_id != tokenizer.mask_token_id:
        raise UsageError(told_special(folder, "a mask token", entry.mask_id, shards))
    return tokenizer


def told_special(folder: Path, what: str, number: int, shards: Path) -> str:
    """Say that a tokenizer's configuration names another special token than it did when the shards were made."""
    return (
        f"{folder / TOKENIZER_CONFIG}: does not name {what} of id {number}, as it did when {shards} was made; restore "
        f"it, or make tokenizer and shards again"
    )


def refuse_large_batch(settings: PretrainSettings, shards: ShardFolder, told: str) -> None:
    """Raise where a step would take more rows than there are.

    Raises:
        UsageError: it names the key after `told`, the file and section of the settings.
    """
    if settings.batch_size > (rows := shards.manifest.row_count("train")):
        raise UsageError(
            f"{told}.batch_size: {settings.batch_size} rows, but {shards.path} has {rows} to train on, so that a step "
            f"would hold some twice; lower it, or take more articles"
        )
