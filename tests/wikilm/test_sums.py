"""Sums name every file of a folder, and whatever changes is found by its path."""

import shutil
import subprocess
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from wikilm.errors import RunError
from wikilm.sums import SUMS, faults, read_sums, unnamed, write_sums


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A folder with one below it."""
    place = tmp_path / "model"
    (place / "best").mkdir(parents=True)
    for name, data in (("model.safetensors", b"\x00" * 99), ("config.json", b"{}"), ("best/ü model.safetensors", b"x")):
        (place / name).write_bytes(data)
    write_sums(place)
    return place


def test_all_files_below_have_one_and_sha256sum_agrees(folder: Path) -> None:
    sums = read_sums(folder)
    assert list(sums) == ["best/ü model.safetensors", "config.json", "model.safetensors"]
    assert list(faults(folder, sums)) == []
    if shutil.which("sha256sum"):
        subprocess.run(["sha256sum", "--check", "--strict", SUMS], cwd=folder, check=True, capture_output=True)


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.data())
def test_a_flipped_bit_anywhere_is_found(folder: Path, data: st.DataObject) -> None:
    path = data.draw(st.sampled_from(sorted(path for path in folder.rglob("*") if path.is_file())))
    before = path.read_bytes()
    bit = data.draw(st.integers(0, 8 * len(before) - 1))
    content = bytearray(before)
    content[bit // 8] ^= 1 << bit % 8
    path.write_bytes(content)
    try:
        assert told(folder)
    finally:
        path.write_bytes(before)
    assert not told(folder)


@pytest.mark.parametrize("end", [b"\v", b"\r", b"\r\n", b"\x1c", "\u2028".encode(), "\x85".encode()])
def test_lines_end_as_sha256sum_ends_them_and_in_no_other_way(folder: Path, end: bytes) -> None:
    content = (folder / SUMS).read_bytes()
    (folder / SUMS).write_bytes(content.replace(b"\n", end, 1))
    assert told(folder)


def test_the_line_ends_of_windows_are_told_once(folder: Path) -> None:
    content = (folder / SUMS).read_bytes()
    (folder / SUMS).write_bytes(content.replace(b"\n", b"\r\n"))
    assert told(folder) == [
        f"{folder / SUMS}: its lines end as on Windows, which Git may have done (core.autocrlf); fetch it anew"
    ]


def test_a_name_may_hold_what_ends_lines_elsewhere(folder: Path) -> None:
    (folder / "a\u2028b\x85c").write_text("x")
    write_sums(folder)
    assert not told(folder)


def told(folder: Path) -> list[str]:
    try:
        return list(faults(folder, read_sums(folder)))
    except RunError as error:
        return [str(error)]


def test_what_is_missing_or_was_added_is_told(folder: Path) -> None:
    (folder / "config.json").unlink()
    (folder / "notes.txt").write_text("mine")
    sums = read_sums(folder)
    assert list(faults(folder, sums)) == [f"{folder / 'config.json'}: is missing"]
    assert unnamed(folder, sums) == ["notes.txt"]


@pytest.mark.parametrize(
    "line",
    [
        "",
        "x",
        f"{'0' * 64}  /etc/passwd",
        f"{'0' * 64}  ../other",
        f"{'0' * 63}  config.json",
        "\x00",
        f"{'0' * 64} ",
        f"{'0' * 64}  a\x00b",
    ],
)
def test_sums_that_are_none_or_reach_out_of_the_folder_are_refused(folder: Path, line: str) -> None:
    (folder / SUMS).write_text(line)
    with pytest.raises(RunError, match=SUMS):
        read_sums(folder)


def test_a_folder_without_sums_is_told(tmp_path: Path) -> None:
    with pytest.raises(RunError, match="no such file; python -m train writes it"):
        read_sums(tmp_path)
