"""Start and end the trackers that a run's curves go to, by Accelerate; none uses the network unless it is told to.

METRICS/{metrics.json, plots/}                  DVCLive's files, which DVC knows
METRICS/{tensorboard, trackio, wandb, mlflow}/  those of the others, each where its settings name it
"""

import os
from collections.abc import Callable, Mapping
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING, Any

from accelerate.utils import (
    is_dvclive_available,
    is_mlflow_available,
    is_tensorboard_available,
    is_trackio_available,
    is_wandb_available,
)

from train.hosts.processes import tell
from train.plan import OURS, PLOTS, PLOTTED
from train.progress.curves import Point, log_point, of_sets, values_of
from train.settings import DVCLIVE, TENSORBOARD, PretrainSettings
from wikilm.errors import RunError, UsageError, reason
from wikilm.files import remove_folder

if TYPE_CHECKING:
    from accelerate import Accelerator

    from train.plan import Plan

PROJECT = "wikilm"
TRACKIO = "trackio"
INSTALLED: Mapping[str, Callable[[], bool]] = {
    TENSORBOARD: is_tensorboard_available,
    TRACKIO: is_trackio_available,
    "wandb": is_wandb_available,
    "mlflow": is_mlflow_available,
}


def chosen(plan: "Plan") -> list[str]:
    """Return the trackers of a run, by Accelerate's names for them; DVCLive is left out where it is not installed.

    Raises:
        UsageError: another one is not installed.
    """
    named = list(dict.fromkeys(plan.settings.trackers))
    for name in named:
        if name != DVCLIVE and not INSTALLED[name]():
            raise UsageError(
                f"{plan.told_settings}.trackers: {name} is not installed; "
                f"pip install {name}, or take it out of the list"
            )
    return [name for name in named if name != DVCLIVE or has_dvclive()]


def has_dvclive() -> bool:
    """Return whether DVCLive is installed, and DVC, without which it does not start."""
    try:
        return is_dvclive_available() and find_spec("dvc") is not None
    except ModuleNotFoundError:
        return False


def start_trackers(accelerator: "Accelerator", plan: "Plan", history: list[Point]) -> None:
    """Start the curves afresh with the points so far, so that none has a gap or a point twice.

    DVC may have removed the folder of an interrupted run, and a crash may have left points later than its checkpoint.
    Sets that are validated on no more are left out, whose last figures would stand beside newer ones of others.

    Raises:
        RunError: a tracker cannot start.
    """
    names, folder = chosen(plan), plan.metrics
    if accelerator.is_main_process and DVCLIVE in plan.settings.trackers and DVCLIVE not in names:
        tell(f"{DVCLIVE} is not installed, so it writes no curves into {folder}")
    if accelerator.is_main_process:
        for name in names:
            if name != DVCLIVE:
                begin_folder(folder / name)
        be_local(folder, names)
    try:
        accelerator.init_trackers(PROJECT, init_kwargs=options(plan))
    except Exception as error:  # DVCLive opens the DVC repository around us, others a database: all that can be wrong
        which = ", ".join(names)
        raise RunError(
            f"{folder}: {which} cannot write curves here: {reason(error)}; name another --metrics"
        ) from error
    if accelerator.is_main_process and DVCLIVE in names:
        try_signalling(plan, history[-1]["step"] if history else 0)
    for tracker in accelerator.trackers:
        if tracker.name != DVCLIVE:
            tracker.store_init_configuration(hyperparameters(plan.settings))
    for point in history:
        log_point(accelerator, of_sets(point, plan.validation))


def try_signalling(plan: "Plan", step: int) -> None:
    """Do once what DVCLive does with each point: in a DVC repository it tells VS Code of the step, by a file.

    Raises:
        RunError: the repository cannot be written.
    """
    try:
        from dvclive.vscode import mark_dvclive_step_completed
    except ImportError:  # another version, which may do it in another way
        return
    try:
        mark_dvclive_step_completed(step)
    except OSError as error:
        raise RunError(
            f"{error.filename}: cannot be written ({error.strerror}), but {DVCLIVE} notes each step there: give the "
            f"command in a folder outside of this DVC repository, or take {DVCLIVE} out of "
            f"{plan.told_settings}.trackers"
        ) from error


def begin_folder(folder: Path) -> None:
    """Make the folder of a tracker anew, with a file that says whose it is.

    Raises:
        OSError: it cannot be written.
    """
    if folder.exists():
        remove_folder(folder)
    folder.mkdir(parents=True)
    (folder / OURS).write_text("Written by python -m train, which makes this folder anew when it begins or resumes.\n")


def mend_curves(accelerator: "Accelerator", plan: "Plan", history: list[Point]) -> None:
    """Write the curves anew where DVCLive's lack points, as when someone has removed their folder in mid-run.

    Raises:
        RunError: a tracker cannot start.
    """
    if any(tracker.name == DVCLIVE for tracker in accelerator.trackers) and lacks_points(plan, history):
        tell(f"{plan.metrics}: points are missing from the curves; writing all of them again")
        end_trackers(accelerator)
        accelerator.trackers.clear()  # Accelerate adds to them
        start_trackers(accelerator, plan, history)


def lacks_points(plan: "Plan", history: list[Point]) -> bool:
    """Return whether DVCLive's files have other steps than the history."""
    steps: dict[str, list[int]] = {}
    for point in history:
        for name in values_of(of_sets(point, plan.validation)):
            steps.setdefault(name, []).append(point["step"])
    return any(steps_in(plan.metrics / PLOTS / PLOTTED / f"{name}.tsv") != there for name, there in steps.items())


def steps_in(curve: Path) -> list[int]:
    """Return the steps of a curve that DVCLive has written; none where the file is missing or no such one."""
    try:
        rows = curve.read_text(encoding="utf-8").splitlines()[1:]
        return [int(row.partition("\t")[0]) for row in rows]
    except (OSError, ValueError):
        return []


def end_trackers(accelerator: "Accelerator") -> None:
    """Have the trackers write what they still hold; DVCLive holds nothing."""
    for tracker in accelerator.trackers:
        try:
            if tracker.name == TRACKIO:  # Accelerate's own way has the run ended once more as the process ends
                import trackio

                trackio.finish()
            elif tracker.name != DVCLIVE:
                tracker.finish()
        except Exception as error:  # as above; it must not hide how the training ended
            tell(f"{tracker.name}: the last points of its curves may be missing: {reason(error)}")
    accelerator.trackers[:] = [tracker for tracker in accelerator.trackers if tracker.name == DVCLIVE]


def options(plan: "Plan") -> dict[str, dict[str, Any]]:
    """Return what each tracker is started with."""
    folder, name = plan.metrics.absolute(), plan.output.name
    return {
        DVCLIVE: {"dir": str(plan.metrics), "dvcyaml": None, "save_dvc_exp": False},
        TRACKIO: {"name": name, "embed": False, "auto_log_gpu": False, "auto_log_cpu": False},
        "wandb": {"name": name, "dir": str(folder / "wandb"), "mode": os.environ.get("WANDB_MODE", "offline")},
        "mlflow": {"run_name": name, "logging_dir": (folder / "mlflow" / "artifacts").as_uri()},
    }


def be_local(metrics: Path, names: list[str]) -> None:
    """Tell trackers by their own variables to stay on this machine, unless such a variable says where to go."""
    folder, defaults = metrics.absolute(), dict[str, str]()
    if TRACKIO in names:
        defaults |= {"TRACKIO_DIR": str(folder / "trackio"), "GRADIO_ANALYTICS_ENABLED": "False"}
    if "wandb" in names:
        defaults |= {"WANDB_SILENT": "true"}
    if "mlflow" in names:
        database = f"sqlite:///{folder / 'mlflow' / 'mlflow.db'}"
        defaults |= {"MLFLOW_TRACKING_URI": database, "MLFLOW_DISABLE_TELEMETRY": "true"}
    for name, value in defaults.items():
        os.environ.setdefault(name, value)


def hyperparameters(settings: PretrainSettings) -> dict[str, str | int | float | bool]:
    """Return the settings as trackers take them: numbers and texts, without what is not set."""
    values = settings.model_dump(mode="json")
    return {
        name: value if isinstance(value, str | int | float | bool) else str(value)
        for name, value in values.items()
        if value is not None
    }
