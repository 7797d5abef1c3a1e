"""Compare dvc.lock with the committed one: what has changed by hand, and what differs on every machine."""

import subprocess
from pathlib import Path
from typing import Any, TypeAlias

from ruamel.yaml import YAML

MACHINE_INDEPENDENT = ("tokenizer", "shards")  # stages whose outputs are the same bytes on every machine
Stages: TypeAlias = dict[str, dict[str, Any]]


def lock_note() -> str | None:
    """Return what to say where dvc.lock differs from the committed one, or None where it does not."""
    path = Path("dvc.lock")
    shown = subprocess.run(["git", "show", "HEAD:./dvc.lock"], capture_output=True, text=True, check=False)
    if shown.returncode or not path.is_file() or shown.stdout == path.read_text(encoding="utf-8"):
        return None
    before, now = stages(shown.stdout), stages(path.read_text(encoding="utf-8"))
    if before == now:  # DVC writes the keys of a stage in another order now and then
        return None
    made_before, made_now = outputs(before), outputs(now)
    same = inputs(before) == inputs(now)
    if not same or any(made_before.get(name) != made_now.get(name) for name in MACHINE_INDEPENDENT):
        return "dvc.lock has changed: commit it with the change of the code, the parameters or the source."
    return (
        "dvc.lock has changed, as it does on another machine: a model's last bits depend on the processor. Tokenizer "
        "and shards are those of the committed one. `make check-repro` says how far the figures are from its."
    )


def stages(lock: str) -> Stages:
    """Return the stages of a dvc.lock by name: what each was made from, and what it has made."""
    found: Stages = YAML(typ="safe", pure=True).load(lock)["stages"]
    return found


def inputs(lock: Stages) -> dict[str, Any]:
    """Command, parameters, code and source of each stage of a dvc.lock: what it was made from, less other outputs."""
    made = [out["path"] for stage in lock.values() for out in stage.get("outs", [])]
    return {
        name: (
            stage.get("cmd"),
            stage.get("params"),
            [
                dep
                for dep in stage.get("deps", [])
                if not any(path == dep["path"] or path.startswith(f"{dep['path']}/") for path in made)
            ],
        )
        for name, stage in lock.items()
    }


def outputs(lock: Stages) -> dict[str, list[tuple[str, str]]]:
    """Return the path and hash of all that each stage of a dvc.lock has made."""
    return {
        name: [(out["path"], out["md5"]) for out in stage.get("outs", []) if "md5" in out]
        for name, stage in lock.items()
    }
