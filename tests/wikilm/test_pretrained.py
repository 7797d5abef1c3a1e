"""The files of a model are safetensors beside its config; an index leads nowhere else, and pickles are refused."""

import json
from pathlib import Path

import pytest

from wikilm.errors import RunError
from wikilm.pretrained import INDEX, model_folder, weight_files


def folder_of(path: Path, *names: str, index: object = None) -> Path:
    path.mkdir()
    for name in ("config.json", *names):
        (path / name).touch()
    if index is not None:
        (path / INDEX).write_text(json.dumps(index))
    return path


def test_an_index_names_the_files_beside_it(tmp_path: Path) -> None:
    files = ("model-00001-of-00002.safetensors", "model-00002-of-00002.safetensors")
    folder = folder_of(tmp_path / "m", *files, index={"weight_map": {"b": files[1], "a": files[0], "c": files[1]}})
    assert weight_files("m", folder) == [folder / file for file in files]


@pytest.mark.parametrize(
    "named",
    [
        "../other/model.safetensors", "/etc/passwd", "..", "sub/model.safetensors", "model.bin", ".hidden.safetensors",
        "a\\..\\b.safetensors", "model.safetensors\n", "", 5, None, ["model.safetensors"], {"a": 1},
    ],
)  # fmt: skip
def test_an_index_that_leads_elsewhere_is_refused(tmp_path: Path, named: object) -> None:
    (tmp_path / "other").mkdir()
    (tmp_path / "other" / "model.safetensors").touch()
    folder = folder_of(tmp_path / "m", "model-1.safetensors", index={"weight_map": {"a": named}})
    with pytest.raises(RunError, match=r"model\.safetensors\.index\.json (names|cannot be read)"):
        weight_files("m", folder)


@pytest.mark.parametrize("index", [[], {}, {"weight_map": []}, {"weight_map": {}}, 7])
def test_an_index_that_is_none_is_refused(tmp_path: Path, index: object) -> None:
    with pytest.raises(RunError, match=r"m: model\.safetensors\.index\.json"):
        weight_files("m", folder_of(tmp_path / "m", index=index))


def test_pickles_are_no_weights(tmp_path: Path) -> None:
    for files, said in ((["pytorch_model.bin"], "holds pickled weights only"), ([], r"holds no model\.safetensors")):
        folder = folder_of(tmp_path / said[:12], *files)
        with pytest.raises(RunError, match=said):
            weight_files(str(folder), folder)


def test_a_path_is_not_asked_of_the_hub(tmp_path: Path) -> None:
    with pytest.raises(RunError, match="no such folder; train the model first"):
        model_folder(str(tmp_path / "none"))
