"""Check what a command asks for, and plan the run, before a model is made."""

import json
import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

from train.plan.batch import Order
from train.plan.inputs import matching_tokenizer, refuse_large_batch, shards_with_rows, validation_sets
from train.plan.recipe import Recipe
from train.plan.warm_start import check_fit, find, settled
from train.runs import refuse_abandoning
from train.settings import SETTINGS, Objective, PretrainSettings
from wikilm.errors import UsageError
from wikilm.model_folder import TRAINING
from wikilm.params import DEFAULT_PARAMS, section
from wikilm.shards import SPLITS, Manifest, ShardFolder

if TYPE_CHECKING:
    from transformers import PreTrainedTokenizerBase

MOST_BYTES = 200  # of an output's name, which gets `.` before and words after it while the model is made
# What it removes when it starts (dvclive/live.py, `_init_cleanup`), though it writes none of these here
REMOVED_BY_DVCLIVE = ("*dvc.yaml", "params.yaml", "report.html", "report.md")


@dataclass(frozen=True, kw_only=True)
class Plan(Recipe):
    """A checked training run: its recipe, shards and tokenizer, and where everything is written."""

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
    fresh: bool = False  # begin anew, whatever was begun before
    keep_run: bool = False  # keep the checkpoints of the finished run
    validation: Mapping[str, ShardFolder] = field(default_factory=dict)  # more rows to validate on, by name
    evaluate: bool = False  # train nothing


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
    settings, file = section(params, f"pretrain.{objective}", SETTINGS[objective]), params or DEFAULT_PARAMS
    told = f"{file}: pretrain.{objective}"
    if evaluate:
        refuse_training(max_steps, fresh, keep_run)
    else:
        refuse_foreign(output)
        refuse_inside(output, runs=runs, metrics=metrics)
        if "dvclive" in settings.trackers:
            refuse_others_files(metrics or output.parent / "metrics" / output.name)
    opened = shards_with_rows(shards, ("validation",) if evaluate else SPLITS)
    sets = validation_sets(validation, opened)
    if not evaluate:
        refuse_large_batch(settings, opened, told)
    recipe = recipe_of(objective, settings, opened.manifest, told)
    run = (runs or output.parent / "runs" / output.name) / recipe.fingerprint
    if not fresh and not evaluate:
        refuse_abandoning(run, recipe.identity, output.resolve())
    loaded = matching_tokenizer(tokenizer, shards, opened.manifest)
    if recipe.start:
        check_fit(recipe.start, loaded, opened.manifest)
    order = Order(opened.manifest.row_count("train"), settings.batch_size, settings.seed)
    planned = order.step_count(settings.epochs)
    return Plan(
        **vars(recipe), params=file, shards=opened, tokenizer_folder=tokenizer, tokenizer=loaded, output=output,
        run=run, metrics=metrics or output.parent / "metrics" / output.name, order=order, planned_steps=planned,
        last_step=min(planned, max_steps or planned), fresh=fresh, keep_run=keep_run, validation=sets,
        evaluate=evaluate,
    )  # fmt: skip


def recipe_of(objective: Objective, settings: PretrainSettings, manifest: Manifest, told: str) -> Recipe:
    """Find the weights that a run starts from, and settle what they decide.

    Raises:
        UsageError: there are none, or the settings contradict them; it names the key after `told`.
    """
    start = find(settings, objective)
    return Recipe(objective, settled(settings, start, told) if start else settings, manifest, start)


def refuse_training(max_steps: int | None, fresh: bool, keep_run: bool) -> None:
    """Raise where an evaluation, which trains nothing, was asked for together with how to train.

    Raises:
        UsageError: it names the flag.
    """
    for flag, given in (("max-steps", max_steps is not None), ("fresh", fresh), ("keep-run", keep_run)):
        if given:
            raise UsageError(f"--{flag}: has no meaning beside --evaluate, which trains nothing; leave one of them out")


def refuse_foreign(output: Path) -> None:
    """Raise unless `output` is free, empty, or an earlier model of ours, which may be replaced.

    Raises:
        UsageError: it holds something else, or has no name beside which a new model can be made.
    """
    if not output.name or len(os.fsencode(output.name)) > MOST_BYTES:
        raise UsageError(f"--output {output}: name a folder by a name of its own, of {MOST_BYTES} bytes at most")
    if output.is_dir() and not output.is_symlink():
        if not any(output.iterdir()) or (output / TRAINING).is_file():
            return
    elif not output.exists() and not output.is_symlink():
        return
    raise UsageError(f"{output}: holds something that is no model of ours; remove it or name another --output")


def refuse_inside(output: Path, **folders: Path | None) -> None:
    """Raise where a folder that a training writes to lies in the output, which is replaced as a whole at its end.

    Args:
        output: where the model goes.
        folders: the others by their flags; None where the flag was not given.

    Raises:
        UsageError: it names the flag.
    """
    for flag, folder in folders.items():
        if folder is not None and folder.resolve().is_relative_to(output.resolve()):
            raise UsageError(
                f"--{flag} {folder}: lies in --output {output}, which the finished model replaces; name one outside it"
            )


def refuse_others_files(metrics: Path) -> None:
    """Raise where a folder for curves holds what DVCLive would remove or overwrite, but did not write for us.

    Raises:
        UsageError: it names the file.
    """
    theirs = [path.name for pattern in REMOVED_BY_DVCLIVE for path in metrics.glob(pattern)]
    summary = metrics / "metrics.json"
    if os.path.lexists(summary):
        try:
            written = "step" in json.loads(summary.read_bytes())  # as DVCLive's own has it
        except (OSError, ValueError, TypeError):
            written = False
        theirs += [] if written else [summary.name]
    if theirs:
        raise UsageError(
            f"--metrics {metrics}: holds {theirs[0]}, which is no curve and which DVCLive would remove; name another "
            f"folder, or remove it"
        )
