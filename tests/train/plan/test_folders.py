"""No run writes where something of the user would be lost."""

from pathlib import Path

import pytest

from train.plan.folders import refuse_foreign, refuse_inside, refuse_others_files
from train.progress.trackers import begin_folder
from train.settings import Tracker
from wikilm.errors import UsageError


def test_what_is_free_empty_or_a_model_of_ours_may_be_written_to(tmp_path: Path) -> None:
    (tmp_path / "empty").mkdir()
    (tmp_path / "ours").mkdir()
    (tmp_path / "ours" / "training.json").touch()
    for name in ("free", "empty", "ours"):
        refuse_foreign(tmp_path / name)


@pytest.mark.parametrize("kind", ["a file", "a folder", "a link to nothing", "a link to a model of ours"])
def test_anything_else_is_refused_by_name(tmp_path: Path, kind: str) -> None:
    output = tmp_path / "output"
    (tmp_path / "ours").mkdir()
    (tmp_path / "ours" / "training.json").touch()
    if kind == "a file":
        output.touch()
    elif kind == "a folder":
        output.mkdir()
        (output / "thesis.txt").touch()
    else:
        output.symlink_to(tmp_path / ("ours" if "model" in kind else "nothing"))
    with pytest.raises(UsageError, match=f"{output}: holds something that is no model of ours"):
        refuse_foreign(output)


@pytest.mark.parametrize("name", ["", ".", "/", "n" * 201, "ä" * 101])
def test_an_output_has_a_name_that_a_new_model_can_be_made_beside(name: str) -> None:
    with pytest.raises(UsageError, match=r"--output .*: name a folder by a name of its own"):
        refuse_foreign(Path(name))


def test_the_folder_of_an_output_has_a_name_that_can_be_written_down(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "a\udcff").mkdir()
    monkeypatch.chdir(tmp_path / "a\udcff")
    with pytest.raises(UsageError, match=r"--output model: lies in .*, whose name is not valid UTF-8"):
        refuse_foreign(Path("model"))


def test_a_mount_point_is_refused_which_no_model_can_replace() -> None:
    proc = Path("/proc")
    assert proc.is_mount()
    with pytest.raises(UsageError, match="--output /proc: is a mount point, which cannot be replaced as a whole"):
        refuse_foreign(proc)


@pytest.mark.parametrize("inside", ["model", "model/runs", "link/runs", "other/../model/a/b"])
def test_runs_and_metrics_lie_outside_the_output(tmp_path: Path, inside: str) -> None:
    (tmp_path / "link").symlink_to(tmp_path / "model")
    refuse_inside(tmp_path / "model", {"--runs": tmp_path / "models", "--metrics": None})
    for named in ("--runs", "--metrics", "params.yaml: pretrain.causal.init.from"):
        with pytest.raises(UsageError, match=f"{named} .*: lies in --output"):
            refuse_inside(tmp_path / "model", {named: tmp_path / inside})


@pytest.mark.parametrize(
    "name",
    [
        *("params.yaml", "dvc.yaml", "my.dvc.yaml", "report.html", "report.md", "metrics.json"),
        *("plots/images/cat.png", "plots/sklearn/roc.json", "plots/custom/x.json", "plots/metrics/notes.txt"),
    ],
)
def test_curves_do_not_go_where_a_file_of_the_user_would_be_lost(tmp_path: Path, name: str) -> None:
    refuse_others_files(tmp_path / "none", ["dvclive"])
    (tmp_path / "metrics.json").write_text('{"loss": 1.5, "step": 3}')
    (tmp_path / "plots" / "metrics" / "validation" / "x").mkdir(parents=True)
    (tmp_path / "plots" / "metrics" / "validation" / "x" / "loss.tsv").touch()
    for kept in ("notes.txt", "plots/figure.png"):
        (tmp_path / kept).touch()
    refuse_others_files(tmp_path, ["dvclive"])
    (tmp_path / name).parent.mkdir(exist_ok=True)
    (tmp_path / name).write_text('{"accuracy": 1}')
    with pytest.raises(UsageError, match=f"--metrics .*: holds {name}, which is no curve"):
        refuse_others_files(tmp_path, ["dvclive"])
    refuse_others_files(tmp_path, ["tensorboard"])


@pytest.mark.parametrize("tracker", ["tensorboard", "trackio", "wandb", "mlflow"])
def test_the_folder_of_a_tracker_is_made_anew_where_it_is_ours_alone(tmp_path: Path, tracker: Tracker) -> None:
    theirs, ours = tmp_path / "theirs" / tracker, tmp_path / "ours" / tracker
    for folder in (theirs, ours):
        folder.mkdir(parents=True)
        refuse_others_files(folder.parent, [tracker])
    begin_folder(ours)
    for folder in (theirs, ours):
        (folder / "events").touch()
    refuse_others_files(ours.parent, [tracker])
    begin_folder(ours)
    assert not (ours / "events").exists()
    with pytest.raises(UsageError, match=f"--metrics .*: holds {tracker}, which a run makes anew"):
        refuse_others_files(theirs.parent, ["dvclive", tracker])
    refuse_others_files(theirs.parent, ["dvclive"])


@pytest.mark.parametrize("kind", ["a file", "a link to a folder", "a link to nothing"])
def test_what_is_no_folder_is_no_trackers(tmp_path: Path, kind: str) -> None:
    if kind == "a file":
        (tmp_path / "wandb").touch()
    else:
        (tmp_path / "wandb").symlink_to(tmp_path if "folder" in kind else tmp_path / "nothing")
    with pytest.raises(UsageError, match="holds wandb"):
        refuse_others_files(tmp_path, ["wandb"])
