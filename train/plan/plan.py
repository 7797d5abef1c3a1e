"""Check what a command asks for, and plan the run, before a model is made."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

from train.plan.batch import Order
from train.plan.folders import holds_a_model, refuse_foreign, refuse_inside, refuse_others_files
from train.plan.inputs import matching_tokenizer, refuse_large_batch, shards_with_rows, validation_sets
from train.plan.recipe import Recipe
from train.plan.warm_start import check_fit, find, settled
from train.runs import refuse_abandoning
from train.settings import SETTINGS, Objective, PretrainSettings
from wikilm.errors import UsageError
from wikilm.params import DEFAULT_PARAMS, section
from wikilm.shards import SPLITS, Manifest, ShardFolder

if TYPE_CHECKING:
    from transformers import PreTrainedTokenizerBase


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

    @property
    def told_settings(self) -> str:
        """Where the settings stand, for errors."""
        return told_settings(self.params, self.objective)

    @property
    def told_last_step(self) -> str:
        """What the last step follows from: the flag or the key, for errors."""
        if self.last_step < self.planned_steps:
            return f"--max-steps {self.last_step}"
        return f"{self.told_settings}.epochs: {self.settings.epochs} ends at step {self.last_step}"


def told_settings(params: Path, objective: Objective) -> str:
    """Return where the settings of an objective stand, for errors."""
    return f"{params}: pretrain.{objective}"


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
    told = told_settings(file, objective)
    curves = metrics or output.parent / "metrics" / output.name
    if evaluate:
        refuse_training(max_steps, fresh, keep_run)
    else:
        refuse_foreign(output)
        start = settings.init.source
        local = Path(start) if start and Path(start).is_dir() else None
        refuse_inside(output, {"--runs": runs, "--metrics": metrics, f"{told}.init.from": local})
        refuse_others_files(curves, settings.trackers)
    opened = shards_with_rows(shards, ("validation",) if evaluate else SPLITS)
    sets = validation_sets(validation, opened)
    if not evaluate:
        refuse_large_batch(settings, opened, told)
    if evaluate and holds_a_model(output):  # which is evaluated as it is, whatever its training began with
        recipe = Recipe(objective, settings, opened.manifest)
    else:
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
        run=run, metrics=curves, order=order, planned_steps=planned,
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
