"""Run trainings that are killed and go on, and say in what they differ from undisturbed ones."""

import json
import os
import random
import subprocess
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

from ruamel.yaml import YAML

from train.plan import Order, refuse_large_batch
from train.proof.commands import call
from train.proof.dying import IN_SAVE, IN_STEP, Moment
from train.runs import saved_steps
from train.saved import CHECKPOINTS_KEPT
from train.settings import SETTINGS, Objective
from wikilm.errors import RunError
from wikilm.files import sha256_of
from wikilm.model_folder import TRAINING
from wikilm.params import BUILT_IN, built_in, section
from wikilm.preset import find_preset, merged
from wikilm.presets import values
from wikilm.shards import open_checked

SAVES = 5  # checkpoints of a training, so that a kill has steps before and behind it
SHARDED = ("--use_fsdp", "--fsdp_version", "2", "--fsdp_cpu_ram_efficient_loading", "false")


class SetUp(NamedTuple):
    """How a training is run."""

    objective: Objective
    processes: int
    accumulation: int
    is_sharded: bool = False  # the processes share the parameters out

    def __str__(self) -> str:
        counts = ((self.processes, "process", "es"), (self.accumulation, "part", "s"))
        told = [self.objective, *(f"{n} {what}{plural if n > 1 else ''}" for n, what, plural in counts)]
        return ", ".join([*told, "sharded"] if self.is_sharded else told)


class Inputs(NamedTuple):
    """What trainings read; `params` None is params.yaml."""

    shards: Path
    tokenizer: Path
    params: Path | None
    told: str  # where the settings are from, for errors


@dataclass(frozen=True)
class Task:
    """A training with its settings, and which steps it has."""

    set_up: SetUp
    inputs: Inputs
    settings: Mapping[str, object]
    order: Order
    steps: int

    @property
    def save_every(self) -> int:
        """Steps between two checkpoints."""
        return max(1, self.steps // SAVES)

    @property
    def saves(self) -> list[int]:
        """The steps that a checkpoint is saved at."""
        return sorted({*range(self.save_every, self.steps + 1, self.save_every), self.steps})

    def saved_before(self, step: int) -> int:
        """Return the newest checkpoint of an earlier step, 0 for none."""
        return max((one for one in self.saves if one < step), default=0)

    def crosses(self, step: int) -> bool:
        """Return whether an epoch ends between the newest checkpoint and the end of this step."""
        rows = self.order.batch_size
        before, behind = self.saved_before(step) * rows, step * rows
        return before // self.order.rows < (behind - 1) // self.order.rows


@dataclass(frozen=True)
class Numbers:
    """What a training came to."""

    losses: Mapping[int, str]  # step -> loss as hex
    curves: str  # all other points of the curves, as JSON
    weights: Mapping[str, str]  # file -> sha256, the best ones and those that were kept among them


@dataclass(frozen=True)
class Outcome:
    """What became of a killed training."""

    set_up: SetUp
    moment: Moment
    across: bool  # an epoch ended between the checkpoint and the kill
    resumed: int  # step of the checkpoint
    steps: int
    equal_losses: int
    same_weights: bool
    same_curves: bool

    @property
    def is_equal(self) -> bool:
        """Whether nothing differs."""
        return self.equal_losses == self.steps and self.same_weights and self.same_curves


def prepared(set_up: SetUp, inputs: Inputs, most: int | None) -> Task:
    """Read the settings of a training, and count its steps.

    Raises:
        UsageError: the settings are wrong.
        RunError: the shards are missing or damaged.
    """
    key = f"pretrain.{set_up.objective}"
    flags = {"gradient_accumulation": "accumulation"}
    parts = {"gradient_accumulation": set_up.accumulation}
    settings = section(inputs.params, key, SETTINGS[set_up.objective], parts, flags)
    shards = open_checked(inputs.shards)
    refuse_large_batch(settings, shards, f"{inputs.told}: {key}")
    order = Order(shards.manifest.row_count("train"), settings.batch_size, settings.seed)
    steps = order.step_count(settings.epochs)
    return Task(set_up, inputs, settings.model_dump(), order, min(steps, most or steps))


def chosen_kills(tasks: Mapping[SetUp, Task], kills: int, seed: int) -> list[tuple[SetUp, Moment]]:
    """Choose which training is killed when, the same for the same seed: every other one inside a save."""
    draw, set_ups = random.Random(seed), list(tasks)  # noqa: S311 - nothing is secret here
    found = []
    for number in range(kills):
        set_up = set_ups[(number + number // len(set_ups)) % len(set_ups)]
        task = tasks[set_up]
        if number % 2 == 0:
            replacing = task.saves[CHECKPOINTS_KEPT:]  # the saves that an older checkpoint goes after
            place = draw.choice(IN_SAVE if replacing else IN_SAVE[:-1])
            step = draw.choice(replacing if place == IN_SAVE[-1] else task.saves)
            dies = draw.choice([0, None])
        else:
            place, dies = draw.choice(IN_STEP), draw.choice([*range(set_up.processes), None])
            behind = range(min(task.save_every + 1, task.steps), task.steps + 1)
            step = draw.choice([one for one in behind if task.crosses(one)] * (number % 4 == 1) or behind)
        found.append((set_up, Moment(step, place, dies if set_up.processes > 1 else None)))
    return found


def undisturbed(task: Task, work: Path) -> Numbers:
    """Run a training to its end.

    Raises:
        RunError: it failed.
    """
    folder = work / "-".join(map(str, ("undisturbed", *task.set_up)))
    _finish(task, folder)
    return _numbers(folder)


def killed(task: Task, moment: Moment, expected: Numbers, folder: Path) -> Outcome:
    """Run a training that dies at a moment, give the same command again, and compare.

    Raises:
        RunError: it ended before the moment came, or failed when it went on.
    """
    died = folder / "died"
    status, told = _train(task, folder, "train.proof.dying", moment.as_variables(died))
    if not died.exists():
        raise RunError(f"{task.set_up}: {moment}: never came; {_ended(status, told)}")
    resumed = max((max(saved_steps(path), default=0) for path in folder.glob("runs/*")), default=0)
    _finish(task, folder)
    found = _numbers(folder)
    equal = sum(found.losses.get(step) == loss for step, loss in expected.losses.items())
    return Outcome(
        set_up=task.set_up,
        moment=moment,
        across=not moment.is_in_save and task.crosses(moment.step),
        resumed=resumed,
        steps=task.steps,
        equal_losses=equal if found.losses.keys() == expected.losses.keys() else 0,
        same_weights=found.weights == expected.weights,
        same_curves=found.curves == expected.curves,
    )


def _finish(task: Task, folder: Path) -> None:
    status, told = _train(task, folder, "train", {})
    if status:
        raise RunError(f"{task.set_up}: {_ended(status, told)}")


def _ended(status: int, told: str) -> str:
    return f"a training ended with status {status}: {' '.join(told.split()[-40:]) or 'it said nothing'}"


def _train(task: Task, folder: Path, module: str, more: Mapping[str, str]) -> tuple[int, str]:
    """Run the command of a training; return its exit status, and what it said at last."""
    folder.mkdir(parents=True, exist_ok=True)
    params, inputs = folder / "params.yaml", task.inputs
    told = {"log_every_steps": 1, "checkpoint_every_steps": task.save_every}
    YAML(typ="safe").dump({"pretrain": {task.set_up.objective: {**task.settings, **told}}}, params)
    several = SHARDED if task.set_up.is_sharded else ["--multi_gpu"]
    several = [*several, "--num_machines", "1", "--num_processes", str(task.set_up.processes)]
    several += ["--main_process_port", "0", "--mixed_precision", "no", "--dynamo_backend", "no"]
    launcher = ["train.launch", *several, "-m"] if task.set_up.processes > 1 else []
    command = [
        *(sys.executable, "-m", *launcher, module, "--objective", task.set_up.objective),
        *("--shards", str(inputs.shards), "--tokenizer", str(inputs.tokenizer), "--params", str(params)),
        *("--output", str(folder / "model"), "--runs", str(folder / "runs"), "--metrics", str(folder / "metrics")),
        *("--max-steps", str(task.steps)),
    ]
    # One thread each: how many there are is part of what decides the last bits of a sum.
    return call(command, {"OMP_NUM_THREADS": "1", "ACCELERATE_USE_CPU": "true"} | os.environ | dict(more))


def _numbers(folder: Path) -> Numbers:
    model = folder / "model"
    history = json.loads((model / TRAINING).read_text(encoding="utf-8"))["history"]
    losses = {point["step"]: float(point.pop("loss")).hex() for point in history if "loss" in point}
    weights = {str(path.relative_to(model)): sha256_of(path) for path in model.rglob("*.safetensors")}
    return Numbers(losses, json.dumps(history, sort_keys=True), weights)


def own_params(work: Path, preset: str) -> Path:
    """Write the params file of a preset, whose source is the bundled corpus.

    Raises:
        UsageError: there is no such preset.
    """
    path = work / "params.yaml"
    source = {"source.path": built_in()["source"]["path"]}
    text = merged(BUILT_IN.read_text(encoding="utf-8"), values(find_preset(preset).name) | source)
    path.write_text(text, encoding="utf-8")
    return path


def inputs_of_preset(work: Path, params: Path, told: str) -> Inputs:
    """Make tokenizer and shards by the pipeline's own commands.

    Raises:
        RunError: one of them failed.
    """
    tokenizer, shards = work / "tokenizer", work / "shards"
    for words in (
        ("pipeline.tokenizer", "--output", tokenizer),
        ("pipeline", "--tokenizer", tokenizer, "--output", shards),
    ):
        command: Sequence[str] = [sys.executable, "-m", *map(str, words), "--params", str(params)]
        done = subprocess.run(command, capture_output=True, text=True, check=False)
        if done.returncode:
            raise RunError(f"python -m {words[0]} failed: {' '.join(done.stderr.split()[-40:])}")
    return Inputs(shards, tokenizer, params, told)
