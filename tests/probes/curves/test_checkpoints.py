"""The checkpoints of a folder are found by the steps that they tell of, each step once, in order."""

import json

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from probes.curves.checkpoints import find_checkpoints, has_kept
from wikilm.errors import RunError


def export(folder, steps):
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "training.json").write_text(json.dumps({"steps": steps, "objective": "causal"}), encoding="utf-8")


@given(kept=st.sets(st.integers(1, 99)), best=st.none() | st.integers(1, 99), last=st.integers(1, 99))
@settings(max_examples=40)
def test_every_step_is_there_once_and_says_what_it_is(tmp_path_factory, kept, best, last):
    model = tmp_path_factory.mktemp("model")
    export(model, last)
    for step in kept:
        export(model / "steps" / f"step-{step:08d}", step)
    if best is not None:
        export(model / "best", best)
    found = find_checkpoints(model)
    assert [one.step for one in found] == sorted(kept | {last} | ({best} - {None}))
    assert [one.step for one in found if one.is_last] == [last]
    assert [one.step for one in found if one.is_best] == ([] if best is None else [best])
    assert all(json.loads((one.folder / "training.json").read_text())["steps"] == one.step for one in found)
    assert has_kept(model) == bool(kept)


@pytest.mark.parametrize(
    ("content", "told"),
    [
        (None, "no such file, so its step is not known"),
        ("{", "train the model again"),
        ('{"steps": -1}', "steps: "),
        ("[]", "file: "),
    ],
    ids=["missing", "cut", "negative", "a list"],
)
def test_a_folder_that_training_did_not_write_is_refused(tmp_path, content, told):
    if content is not None:
        (tmp_path / "training.json").write_text(content, encoding="utf-8")
    with pytest.raises(RunError, match="training.json.*" + told):
        find_checkpoints(tmp_path)
