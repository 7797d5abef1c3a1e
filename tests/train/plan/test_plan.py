"""No output is replaced that is not a model of ours."""

from pathlib import Path

import pytest

from train.plan.plan import refuse_foreign
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
