"""The files of a model are safetensors beside its config; pickles are refused, and a path is a path."""

from pathlib import Path

import pytest

from wikilm.errors import RunError
from wikilm.pretrained import model_folder, weights_of


def folder_of(path: Path, *names: str) -> Path:
    path.mkdir()
    for name in ("config.json", *names):
        (path / name).touch()
    return path


def test_pickles_are_no_weights(tmp_path: Path) -> None:
    for files, said in ((["pytorch_model.bin"], "holds pickled weights only"), ([], r"holds no model\.safetensors")):
        folder = folder_of(tmp_path / said[:12], *files)
        with pytest.raises(RunError, match=said):
            weights_of(str(folder), folder)


def test_a_path_is_not_asked_of_the_hub(tmp_path: Path) -> None:
    with pytest.raises(RunError, match="no such folder; train the model first"):
        model_folder(str(tmp_path / "none"))
