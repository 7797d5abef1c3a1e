"""A changed dvc.lock is told from one that differs because the machine does."""

import copy
import json
import subprocess
from pathlib import Path
from typing import Any

import pytest

from wikilm.dvc_lock import inputs, lock_note, outputs

LOCK: dict[str, Any] = {
    "shards": {
        "cmd": "python -m pipeline",
        "deps": [{"path": "corpus.bz2", "md5": "1"}, {"path": "pipeline", "md5": "2"}],
        "params": {"params.yaml": {"shards": {"chunk_tokens": 8}}},
        "outs": [{"path": "data/shards/train", "md5": "3"}],
    },
    "pretrain@causal": {
        "cmd": "python -m train",
        "deps": [{"path": "data/shards", "md5": "4"}, {"path": "train", "md5": "5"}],
        "outs": [{"path": "models/causal", "md5": "6"}],
    },
}


@pytest.fixture
def note(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    """What is said of stages that stand in dvc.lock where `LOCK` is committed."""
    monkeypatch.chdir(tmp_path)
    write(LOCK)
    for words in (["init", "--quiet"], ["add", "--all"], ["commit", "--quiet", "--message", "lock"]):
        subprocess.run(["git", "-c", "user.name=a", "-c", "user.email=a@example.org", *words], check=True)

    def noted(stages: dict[str, Any]) -> str | None:
        write(stages)
        return lock_note()

    return noted


def write(stages: dict[str, Any]) -> None:
    Path("dvc.lock").write_text(json.dumps({"schema": "2.0", "stages": stages}))  # JSON is YAML whose order is kept


def changed(stage: str, kind: str, number: int, value: str) -> dict[str, Any]:
    stages = copy.deepcopy(LOCK)
    stages[stage][kind][number]["md5"] = value
    return stages


def test_nothing_is_said_of_the_committed_lock_in_any_order_or_where_there_is_none(note, tmp_path, monkeypatch) -> None:
    assert note(LOCK) is None
    assert note({name: dict(reversed(stage.items())) for name, stage in reversed(LOCK.items())}) is None
    Path("dvc.lock").unlink()
    assert lock_note() is None


def test_only_the_hashes_of_models_and_what_is_made_of_them_depend_on_the_machine(note) -> None:
    on_another = changed("pretrain@causal", "outs", 0, "7")
    assert "on another machine" in note(on_another)
    for stages in (
        changed("shards", "outs", 0, "7"),  # the same bytes everywhere
        changed("shards", "deps", 0, "7"),
        changed("pretrain@causal", "deps", 1, "7"),
        {**on_another, "shards": LOCK["shards"] | {"cmd": "python -m pipeline --seed 1"}},
        {**on_another, "shards": LOCK["shards"] | {"params": {}}},
        {"shards": LOCK["shards"]},
    ):
        assert "commit it with the change" in note(stages)


def test_what_one_stage_makes_of_another_is_no_input_of_the_run() -> None:
    assert inputs(changed("pretrain@causal", "deps", 0, "7")) == inputs(LOCK)
    assert outputs(LOCK) == {"shards": [("data/shards/train", "3")], "pretrain@causal": [("models/causal", "6")]}
