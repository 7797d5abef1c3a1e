"""Check what a command asks for, and plan the run, before a model is made."""

import hashlib
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from train.plan.batch import Order
from train.plan.warm_start import WarmStart, check_fit, find, settled
from train.runs import refuse_abandoning
from train.settings import SETTINGS, MaskedSettings, Objective, PretrainSettings
from wikilm.errors import RunError, UsageError
from wikilm.files import sha256_of
from wikilm.model_folder import TOKENIZER, TRAINING
from wikilm.params import DEFAULT_PARAMS, section
from wikilm.shards import SPLITS, Manifest, ShardFolder, manifest_bytes, open_checked

if TYPE_CHECKING:
    from transformers import PreTrainedTokenizerBase

STATE_FORMAT = 3  # of checkpoints: raised whenever an older one cannot be resumed from


# Settings that change what is told of a run, or how much memory it takes, and none of its numbers.
TOLD_ONLY = (
    "gradient_checkpointing",
    *("log_every_steps", "validate_every_steps", "validation_rows", "checkpoint_every_steps"),
    *("keep_best", "keep_every_steps", "early_stopping", "exposures", "trackers"),
    *("sample_every_steps", "sample_prompt"),
)


@dataclass(frozen=True)
class Plan:
    """A checked training run: model and settings, shards and tokenizer, and where everything is written."""

    objective: Objective
    settings: PretrainSettings
    params: Path  # the file that the settings are from
    shards: ShardFolder
    tokenizer_folder: Path
    tokenizer: "PreTrainedTokenizerBase"
    output: Path
    run: Path  # checkpoints of this run and no other
    metrics: Path
    order: Order
    planned_steps: int
    last_step: int  # below planned_steps where --max-steps stops early
    start: WarmStart | None = None  # whose weights are the first; None for fresh ones
    fresh: bool = False  # begin anew, whatever was begun before
    keep_run: bool = False  # keep the checkpoints of the finished run
    validation: Mapping[str, ShardFolder] = field(default_factory=dict)  # more rows to validate on, by name
    evaluate: bool = False  # train nothing

    @property
    def manifest(self) -> Manifest:
        """The manifest of the shards."""
        return self.shards.manifest

    @property
    def identity(self) -> dict[str, Any]:
        """All that decides the numbers of the run."""
        return identity(self.objective, self.settings, self.manifest, self.start)

    @property
    def masked_fraction(self) -> float | None:
        """Share of positions to predict; None for the causal objective."""
        return self.settings.masked_fraction if isinstance(self.settings, MaskedSettings) else None

    @property
    def left_out(self) -> int | None:
        """Id of the mask that stands for each token while it is predicted, where all are; else None."""
        everything = isinstance(self.settings, MaskedSettings) and self.settings.predict == "all"
        return self.manifest.tokenizer.mask_id if everything else None


def make_plan(
    *,
    objective: Objective,
    params: Path | None,
    shards: Path,
    tokenizer: Path,
    output: Path,
    max_steps: int | None,
    runs: Path | None,
    metrics: Path | None,
    fresh: bool = False,
    keep_run: bool = False,
    validation: Sequence[tuple[str, Path]] = (),
    evaluate: bool = False,
) -> Plan:
    """Check all that was asked for, cheapest first.

    Raises:
        UsageError: settings, tokenizer, shards or output that do not fit each other, or an unfinished run for this
            output that has other settings.
        RunError: shards that are missing, damaged or empty.
    """
    settings = section(params, f"pretrain.{objective}", SETTINGS[objective])
    if evaluate:
        refuse_training(max_steps, fresh, keep_run)
    else:
        refuse_foreign(output)
    opened = shards_with_rows(shards, ("validation",) if evaluate else SPLITS)
    manifest = opened.manifest
    sets = validation_sets(validation, opened)
    if settings.batch_size > (rows := manifest.row_count("train")) and not evaluate:
        raise UsageError(
            f"{params or DEFAULT_PARAMS}: pretrain.{objective}.batch_size: {settings.batch_size} rows, but {shards} "
            f"has {rows} to train on, so that a step would hold some twice; lower it, or take more articles"
        )
    start = find(settings, objective)
    if start:
        settings = settled(settings, start, f"{params or DEFAULT_PARAMS}: pretrain.{objective}")
    run = (runs or output.parent / "runs" / output.name) / run_fingerprint(objective, settings, manifest, start)
    if not fresh and not evaluate:
        refuse_abandoning(run, identity(objective, settings, manifest, start), output.resolve())
    loaded = matching_tokenizer(tokenizer, shards, manifest)
    if start:
        check_fit(start, loaded, manifest)
    order = Order(rows, settings.batch_size, settings.seed)
    planned = order.step_count(settings.epochs)
    return Plan(
        objective=objective,
        settings=settings,
        params=params or DEFAULT_PARAMS,
        shards=opened,
        tokenizer_folder=tokenizer,
        tokenizer=loaded,
        output=output,
        run=run,
        metrics=metrics or output.parent / "metrics" / output.name,
        order=order,
        planned_steps=planned,
        last_step=min(planned, max_steps or planned),
        start=start,
        fresh=fresh,
        keep_run=keep_run,
        validation=sets,
        evaluate=evaluate,
    )


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


def refuse_training(max_steps: int | None, fresh: bool, keep_run: bool) -> None:
    """Raise where an evaluation, which trains nothing, was asked for together with how to train.

    Raises:
        UsageError: it names the flag.
    """
    for flag, given in (("max-steps", max_steps is not None), ("fresh", fresh), ("keep-run", keep_run)):
        if given:
            raise UsageError(f"--{flag}: has no meaning beside --evaluate, which trains nothing; leave one of them out")


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
    return tokenizer


def run_fingerprint(
    objective: Objective, settings: PretrainSettings, manifest: Manifest, start: WarmStart | None = None
) -> str:
    """12 hex digits that change with anything that changes the numbers of a run."""
    content = json.dumps(identity(objective, settings, manifest, start), sort_keys=True)
    return hashlib.sha256(content.encode()).hexdigest()[:12]


def identity(
    objective: Objective, settings: PretrainSettings, manifest: Manifest, start: WarmStart | None = None
) -> dict[str, Any]:
    """Return all that decides the numbers of a run, sums' rounding aside; the manifest names the tokenizer's hash."""
    without = {*TOLD_ONLY, "init"}  # where the first weights are from does not matter, but which they are
    if not settings.dropout:  # which drops other values where a batch is cut, or the model compiled, otherwise
        without |= {"gradient_accumulation", "compile"}
    if settings.schedule == "constant" and not settings.warmup_fraction:
        without.add("epochs")  # the rate of a step does not depend on how many there are
    return {
        "format": STATE_FORMAT,
        "objective": objective,
        "settings": settings.model_dump(exclude=without),
        "manifest": hashlib.sha256(manifest_bytes(manifest)).hexdigest(),
        **({"first weights": start.digest} if start else {}),
    }


def refuse_foreign(output: Path) -> None:
    """Raise unless `output` is free, empty, or an earlier model of ours, which may be replaced.

    Raises:
        UsageError: it holds something else.
    """
    if output.is_dir() and not output.is_symlink():
        if not any(output.iterdir()) or (output / TRAINING).is_file():
            return
    elif not output.exists() and not output.is_symlink():
        return
    raise UsageError(f"{output}: holds something that is no model of ours; remove it or name another --output")
