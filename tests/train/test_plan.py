"""A run is known by all that changes it, and no output is replaced that is not a model of ours."""

from pathlib import Path

import pytest

from tests.helpers.manifests import manifest
from tests.helpers.training import make_settings
from train.plan import refuse_foreign, run_fingerprint
from wikilm.errors import UsageError


def test_whatever_changes_a_run_changes_its_fingerprint() -> None:
    runs = [
        run_fingerprint("causal", make_settings("causal"), manifest()),
        run_fingerprint("masked", make_settings("masked"), manifest()),
        run_fingerprint("causal", make_settings("causal", seed=99), manifest()),
        run_fingerprint("causal", make_settings("causal", learning_rate=0.5), manifest()),
        run_fingerprint("causal", make_settings("causal"), manifest(rows=6)),
        run_fingerprint("causal", make_settings("causal"), manifest(take=[5, 2])),
    ]
    assert len(set(runs)) == len(runs)
    assert run_fingerprint("causal", make_settings("causal"), manifest()) == runs[0]


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
