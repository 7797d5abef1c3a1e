"""A model's folder runs no code, leads nowhere else, and holds what it promises, or it is refused before loading."""

import json
import pickle
import struct
from pathlib import Path

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from safetensors.torch import save_file

from tests.helpers.models import PICKLES
from wikilm.errors import RunError
from wikilm.model_folder import read_config, read_weights, refuse_unbacked


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Two files of weights with their index, and a config."""
    for number in (1, 2):
        save_file({f"w{number}": torch.zeros(2, 3)}, tmp_path / f"model-{number}.safetensors")
    index(tmp_path, {"w1": "model-1.safetensors", "w2": "model-2.safetensors"})
    (tmp_path / "config.json").write_text(json.dumps({"model_type": "gpt2", "n_layer": 2}), encoding="utf-8")
    return tmp_path


def index(folder: Path, weight_map: object) -> None:
    (folder / "model.safetensors.index.json").write_text(json.dumps({"weight_map": weight_map}), encoding="utf-8")


def test_the_headers_of_all_files_are_counted(folder: Path) -> None:
    found = read_weights("m", folder)
    assert found
    assert (found.path.name, found.tensors, found.elements) == ("model.safetensors.index.json", 2, 12)


def test_no_weights_are_none(tmp_path: Path) -> None:
    assert read_weights("m", tmp_path) is None


@pytest.mark.parametrize(
    "name",
    [
        *PICKLES,
        *("../out.safetensors", "/etc/x.safetensors", "sub/x.safetensors", "..\\x.safetensors", ".x.safetensors"),
        *(
            "model-1.safetensors\n",
            "model-1.safetensors/",
            "MODEL.SAFETENSORS",
            "",
            "https://h/x.safetensors",
            "m.gguf",
        ),
    ],
)
def test_an_index_names_safetensors_of_its_folder_alone(folder: Path, name: str) -> None:
    path = folder / "sub" / name
    if name in PICKLES:
        path = folder / name
        path.write_bytes(pickle.dumps(ValueError()))
    index(folder, {"w1": "model-1.safetensors", "w2": name})
    with pytest.raises(RunError, match="safetensors files of the same folder alone"):
        read_weights("m", folder)


@given(st.text())
def test_a_name_is_a_plain_file_name_or_is_refused(tmp_path_factory: pytest.TempPathFactory, name: str) -> None:
    folder = tmp_path_factory.getbasetemp() / "names"
    folder.mkdir(exist_ok=True)
    index(folder, {"w": name})
    with pytest.raises(RunError):
        read_weights("m", folder)


@pytest.mark.parametrize(
    "content", ["", "{", "[]", "null", "{}", '{"weight_map": []}', '{"weight_map": {}}', "[" * 9**6]
)
def test_an_index_that_lists_nothing_is_named(folder: Path, content: str) -> None:
    (folder / "model.safetensors.index.json").write_text(content, encoding="utf-8")
    with pytest.raises(RunError, match=r"index\.json"):
        read_weights("m", folder)


def header(entries: object, data: bytes = b"", length: int | None = None) -> bytes:
    """A safetensors file of this header."""
    text = json.dumps(entries).encode()
    return struct.pack("<Q", len(text) if length is None else length) + text + data


def entry(shape: list[int], start: int, end: int, dtype: str = "F32") -> dict[str, object]:
    return {"dtype": dtype, "shape": shape, "data_offsets": [start, end]}


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"\x00" * 7,
        header({}, length=2**63),
        header({}, length=90_000_000),
        header({"a": entry([2], 0, 8)}),  # cut
        header({"a": entry([2], 0, 8)}, bytes(9)),  # more than it says
        header({"a": entry([2], 0, 8), "b": entry([2], 4, 12)}, bytes(12)),  # overlap
        header({"a": entry([2], 0, 8), "b": entry([2], 12, 20)}, bytes(20)),  # a hole
        header({"a": entry([3], 0, 8)}, bytes(8)),  # a shape that lies
        header({"a": entry([2**40, 2**40], 0, 8)}, bytes(8)),
        header({"a": entry([2], 8, 0)}, bytes(8)),
        header({"a": entry([2], 0, 8, dtype="EVIL")}, bytes(8)),
        header([1, 2, 3]),
        b"\x08\x00\x00\x00\x00\x00\x00\x00not json",
    ],
)
def test_a_header_that_lies_is_damage(tmp_path: Path, content: bytes) -> None:
    (tmp_path / "model.safetensors").write_bytes(content)
    with pytest.raises(RunError, match=r"model\.safetensors: is damaged"):
        read_weights("m", tmp_path)


@pytest.mark.parametrize(
    "key", ["_attn_implementation", "attn_implementation", "_attn_implementation_internal", "_experts_implementation"]
)
def test_a_config_chooses_no_code(folder: Path, key: str) -> None:
    content = {"model_type": "gpt2", key: "evil/kernel", "auto_map": {"AutoModel": "evil.M"}, "sub": [{key: {"": "x"}}]}
    (folder / "config.json").write_text(json.dumps(content), encoding="utf-8")
    assert read_config("m", folder) == {"model_type": "gpt2", "sub": [{}]}


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        ([], "names no model_type"),
        ({"n_layer": 2}, "names no model_type"),
        ({"model_type": 7}, "names no model_type"),
        ({"model_type": "x", "quantization_config": {"quant_method": "gptq"}}, "is quantized"),
        ({"model_type": "x", "text_config": {"compression_config": {"format": "x"}}}, "is quantized"),
        ({"model_type": "x", "num_hidden_layers": 200_000}, "num_hidden_layers is 200000"),
        ({"model_type": "x", "text_config": {"num_local_experts": 10**9}}, "num_local_experts is 1000000000"),
        ({"model_type": "x", "num_labels": 1e9}, "num_labels is 1000000000"),
    ],
)
def test_a_config_that_cannot_be_trusted_is_refused(folder: Path, content: object, reason: str) -> None:
    (folder / "config.json").write_text(json.dumps(content), encoding="utf-8")
    with pytest.raises(RunError, match=reason):
        read_config("m", folder)


def test_a_large_vocabulary_and_context_are_no_excess(folder: Path) -> None:
    content = {"model_type": "x", "vocab_size": 262_144, "max_position_embeddings": 10_485_760, "rope_theta": 5e7}
    (folder / "config.json").write_text(json.dumps(content), encoding="utf-8")
    assert read_config("m", folder) == content


@given(st.integers(1, 40), st.integers(1, 8))
def test_what_the_weights_fill_is_built_and_far_more_is_not(
    tmp_path_factory: pytest.TempPathFactory, layers: int, width: int
) -> None:
    folder = tmp_path_factory.getbasetemp() / "filled"
    folder.mkdir(exist_ok=True)
    save_file({f"w{n}": torch.zeros(width, width) for n in range(layers)}, folder / "model.safetensors")
    weights = read_weights("m", folder)
    assert weights

    def stack(layers: int, width: int) -> torch.nn.Module:
        return torch.nn.ModuleList(torch.nn.Linear(width, width, bias=False) for _ in range(layers))

    refuse_unbacked("m", lambda: stack(layers, width), weights)
    for asked in (lambda: stack(200_000, width), lambda: stack(layers, 10**8)):
        with pytest.raises(RunError, match="promises far more"):
            refuse_unbacked("m", asked, weights)
