"""Train as `python -m train` does, and die by SIGKILL at a named moment: what `train.prove_resume` starts and kills.

The moment is that of the training itself, never that of a clock: an update of the optimizer, or a file of a checkpoint
that is about to be opened, renamed or removed.
"""

import json
import os
import signal
import sys
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, NoReturn

from train.runs import step_name
from wikilm.cli import run
from wikilm.files import UNFINISHED

MOMENT = "WIKILM_DIES_AT"  # in the environment: a moment as JSON
DIED = "WIKILM_DIED"  # in the environment: the file that is made when it has come
BEFORE_UPDATE, IN_UPDATE = "before the update", "in the update"
IN_STEP = (BEFORE_UPDATE, IN_UPDATE)
FILES = ("model.safetensors", "optimizer.safetensors", "state.json", "hashes.json")
IN_SAVE = ("before the save", *(f"before {name}" for name in FILES), "before its name", "before an older one goes")


@dataclass(frozen=True)
class Moment:
    """When a training dies.

    Attributes:
        step: the step that is under way, or whose checkpoint is being saved.
        place: where in it: one of `IN_STEP` or `IN_SAVE`.
        process: which of several processes dies; None for all of them, with what started them.
    """

    step: int
    place: str
    process: int | None = None

    @property
    def is_in_save(self) -> bool:
        """Whether a checkpoint is being saved."""
        return self.place in IN_SAVE

    def __str__(self) -> str:
        who = "" if self.process is None else f", process {self.process} alone"
        return (
            f"{self.place} of step {self.step}{who}" if not self.is_in_save else f"save {self.step}, {self.place}{who}"
        )

    def as_variables(self, died: Path) -> dict[str, str]:
        """Return the variables that tell a process of it, and of the file to make when it has come."""
        return {MOMENT: json.dumps(asdict(self)), DIED: str(died)}


def main(argv: Sequence[str] | None = None) -> None:
    """Train from the first step on until the moment comes that the environment names."""
    from train.__main__ import main as train

    moment = Moment(**json.loads(os.environ[MOMENT]))
    if moment.process in (None, int(os.environ.get("RANK", "0"))):
        (_wait_in_save if moment.is_in_save else _wait_in_step)(moment)
    train(argv)


def die(moment: Moment) -> NoReturn:
    """End this process without a word, and all others of the training where the moment is that of all."""
    Path(os.environ[DIED]).touch()
    if moment.process is None and "RANK" in os.environ:
        launcher = os.getppid()
        others = Path(f"/proc/{launcher}/task").glob("*/children")
        pids = {launcher, *(int(pid) for path in others for pid in path.read_text().split())}
        for pid in pids - {os.getpid()}:
            os.kill(pid, signal.SIGKILL)
    os.kill(os.getpid(), signal.SIGKILL)
    raise AssertionError("beyond SIGKILL")


def _wait_in_step(moment: Moment) -> None:
    """Die at an update of AdamW, which every step has one of; where there is Muon, its update comes after that."""
    from torch.optim import AdamW, Optimizer
    from torch.optim.optimizer import register_optimizer_step_post_hook, register_optimizer_step_pre_hook

    step = 0

    def count(optimizer: Optimizer, *_: Any) -> None:
        nonlocal step
        step += isinstance(optimizer, AdamW)
        if step == moment.step and moment.place == BEFORE_UPDATE:
            die(moment)

    def look(*_: Any) -> None:
        if step == moment.step and moment.place == IN_UPDATE:
            die(moment)

    register_optimizer_step_pre_hook(count)
    register_optimizer_step_post_hook(look)


def _wait_in_save(moment: Moment) -> None:
    """Die when the interpreter tells that a file or folder of this checkpoint is about to change."""
    name = step_name(moment.step)
    unfinished = f".{name}{UNFINISHED}"
    events = {
        IN_SAVE[0]: ("os.mkdir", 0, unfinished),
        **{f"before {file}": ("open", 0, f"{unfinished}/{file}") for file in FILES},
        IN_SAVE[-2]: ("os.rename", 1, f"/{name}"),
        IN_SAVE[-1]: ("os.rename", 1, f".gone{UNFINISHED}"),
    }
    event, place, end = events[moment.place]

    def look(happened: str, arguments: tuple[Any, ...]) -> None:
        if happened != event or not str(arguments[place]).endswith(end):
            return
        if moment.place != IN_SAVE[-1] or Path(arguments[place]).with_name(name).exists():
            die(moment)

    sys.addaudithook(look)


if __name__ == "__main__":
    sys.exit(run(main, "python -m train"))
