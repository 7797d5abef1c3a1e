"""Each tracker has the very curve of the run, also of a resumed one, and what is not installed is refused by name."""

import json
import os
import struct
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tests.helpers import ROOT
from tests.helpers.environments import environment_above
from tests.helpers.training import TrainingInputs, environment, record, train
from train.progress.trackers import INSTALLED

pytestmark = pytest.mark.usefixtures("one_cpu_thread")
Curve = list[tuple[int, float]]


def in_tensorboard(metrics: Path) -> Curve:
    from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

    events = EventAccumulator(str(metrics / "tensorboard" / "wikilm"))
    events.Reload()
    return [(event.step, event.value) for event in events.Scalars("validation_loss")]


def in_trackio(metrics: Path) -> Curve:
    import sqlite3

    (path,) = (metrics / "trackio").glob("*.db")
    with sqlite3.connect(path) as database:
        query = "SELECT step, json_extract(metrics, '$.validation_loss') FROM metrics ORDER BY step"
        return [(step, loss) for step, loss in database.execute(query) if loss is not None]


def in_wandb(metrics: Path) -> Curve:
    from wandb.proto import wandb_internal_pb2

    (path,) = metrics.glob("wandb/wandb/offline-run-*/run-*.wandb")
    curve = []
    for data in written_records(path.read_bytes()):
        line = wandb_internal_pb2.Record()
        line.ParseFromString(data)
        found = {item.key or item.nested_key[0]: json.loads(item.value_json) for item in line.history.item}
        if "validation_loss" in found:
            curve.append((int(found["_step"]), float(found["validation_loss"])))
    return curve


def written_records(log: bytes) -> Iterator[bytes]:
    """The records of a log in LevelDB's format, behind W&B's header of seven bytes: blocks of 32 KiB that hold pieces.

    A piece has a checksum, its length and its kind: 1 whole, 2 first, 3 middle, 4 last.
    """
    place, record = 7, b""
    while place + 7 <= len(log):
        if 32768 - place % 32768 < 7:  # what is left of a block is filled up
            place += 32768 - place % 32768
            continue
        length, kind = struct.unpack_from("<HB", log, place + 4)
        record += log[place + 7 : place + 7 + length]
        place += 7 + length
        if kind in (1, 4):
            yield record
            record = b""


def in_mlflow(metrics: Path) -> Curve:
    from mlflow import MlflowClient

    client = MlflowClient(f"sqlite:///{metrics / 'mlflow' / 'mlflow.db'}")
    (run,) = client.search_runs([one.experiment_id for one in client.search_experiments()])
    assert run.data.params["learning_rate"] == "0.02"
    return [(point.step, point.value) for point in client.get_metric_history(run.info.run_id, "validation_loss")]


READERS: dict[str, Callable[[Path], Curve]] = {
    "tensorboard": in_tensorboard, "trackio": in_trackio, "wandb": in_wandb, "mlflow": in_mlflow,
}  # fmt: skip


@pytest.fixture(scope="module")
def with_trackers(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """An environment that has all of them."""
    folder = tmp_path_factory.mktemp("trackers")
    environment_above(folder, ROOT / "requirements-trackers.lock")
    return folder


@pytest.mark.slow
@pytest.mark.xdist_group("trackers")
@pytest.mark.parametrize("name", READERS)
def test_a_resumed_run_has_one_whole_curve_in_each(tiny: Path, tmp_path: Path, name: str, with_trackers: Path) -> None:
    python = str(with_trackers / "bin" / "python")
    inputs = TrainingInputs(tiny / "shards", tiny / "tokenizer")
    arguments = inputs.arguments(tmp_path, trackers=[name, "dvclive"], validate_every_steps=3)
    for flags in (
        ["--max-steps", "7"],
        [],
    ):  # in processes of their own, as users do: trackers keep what they were told
        command = [python, "-m", "train", *arguments, *flags]
        done = subprocess.run(command, capture_output=True, text=True, cwd=ROOT, env=environment(), check=True)
        (line,) = done.stdout.splitlines()
        assert json.loads(line)["objective"] == "causal"
    metrics = tmp_path / "metrics" / "model"
    curve = [(p["step"], pytest.approx(p["validation_loss"])) for p in record(tmp_path)["history"] if
             "validation_loss" in p]  # fmt: skip
    assert len(curve) == 10
    # Where the library is: the warnings that it gives could not be told to the other processes of the tests.
    reading = [python, "-W", "ignore", "-m", "tests.train.progress.test_trackers", name, str(metrics)]
    read = subprocess.run(reading, capture_output=True, text=True, cwd=ROOT, env=environment(), check=True)
    assert [tuple(point) for point in json.loads(read.stdout.splitlines()[-1])] == curve
    rows = (metrics / "plots" / "metrics" / "validation_loss.tsv").read_text().splitlines()[1:]
    assert [int(row.split("\t")[0]) for row in rows] == [step for step, _ in curve]
    assert set(os.listdir(tmp_path)) == {"metrics", "model", "params.yaml", "runs"}


def test_what_is_not_installed_is_refused_with_the_package_to_install(
    tiny: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    arguments = TrainingInputs(tiny / "shards", tiny / "tokenizer").arguments(tmp_path, trackers=["wandb"])
    monkeypatch.setitem(INSTALLED, "wandb", lambda: False)  # type: ignore[arg-type]
    said = train(arguments, status=2).stderr
    assert "params.yaml: pretrain.causal.trackers: wandb is not installed; pip install wandb, or take it" in said
    assert "dvclive" in train([*arguments[:-1], str(wrong(tmp_path))], status=2).stderr


@pytest.mark.slow
def test_a_dvc_repository_that_cannot_be_written_is_named_before_the_first_step(
    tiny: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """DVCLive tells VS Code of each step by a file there. A file where its folder belongs stands in for read-only."""
    repository = tmp_path / "repository"
    repository.mkdir()
    monkeypatch.chdir(repository)
    subprocess.run([sys.executable, "-m", "dvc", "init", "--no-scm", "--quiet"], check=True)
    (repository / ".dvc" / "tmp" / "exps").touch()
    arguments = TrainingInputs(tiny / "shards", tiny / "tokenizer").arguments(tmp_path)
    said = train([*arguments, "--max-steps", "1"], status=1).stderr
    assert f"{repository}/.dvc/tmp/exps" in said
    assert "give the command in a folder outside of this DVC repository, or take dvclive out of" in said
    assert not (tmp_path / "model").exists()
    monkeypatch.chdir(tmp_path)
    train([*arguments, "--max-steps", "1"])


def wrong(folder: Path) -> Path:
    """Params that name a tracker which nobody knows."""
    path = folder / "wrong.yaml"
    path.write_text((folder / "params.yaml").read_text().replace("wandb", "wanbd"))
    return path


def test_without_trackers_no_curve_is_written(tiny: Path, tmp_path: Path) -> None:
    inputs = TrainingInputs(tiny / "shards", tiny / "tokenizer")
    done = train([*inputs.arguments(tmp_path, trackers=[]), "--max-steps", "1"])
    assert "installed" not in done.stderr
    assert not (tmp_path / "metrics").exists()


if __name__ == "__main__":
    print(json.dumps(READERS[sys.argv[1]](Path(sys.argv[2]))))
