"""Files and folders that a command writes are there whole or not at all, whatever stops it."""

import errno
import hashlib
import os

import pytest

from tests.helpers.limits import files_of_at_most
from wikilm.errors import reason
from wikilm.files import UNFINISHED, new_file, new_folder, sha256_of, write_atomically


@pytest.fixture
def small_device():
    with files_of_at_most(1000):
        yield


def test_a_file_has_its_name_once_it_is_whole(tmp_path):
    path = tmp_path / "deep" / "x.bin"
    for content in (b"first", b"second"):
        with new_file(path) as file:
            file.write(content)
            file.flush()
            assert not path.exists() or path.read_bytes() == b"first"
    assert path.read_bytes() == b"second"
    assert os.listdir(path.parent) == ["x.bin"]


def test_of_two_that_write_a_file_at_once_the_last_wins_whole(tmp_path):
    path = tmp_path / "x"
    with new_file(path) as one:
        one.write(b"one")
        with new_file(path) as other:
            other.write(b"the other")
        assert path.read_bytes() == b"the other"
    assert path.read_bytes() == b"one"
    assert os.listdir(tmp_path) == ["x"]


@pytest.mark.parametrize("umask", [0o022, 0o077, 0o002])
def test_others_may_read_a_file_as_far_as_the_umask_lets_them(tmp_path, umask):
    before = os.umask(umask)
    try:
        write_atomically(tmp_path / "x", "text")
    finally:
        os.umask(before)
    assert (tmp_path / "x").stat().st_mode & 0o777 == 0o666 & ~umask


def test_text_is_utf_8_with_the_line_ends_that_it_has(tmp_path):
    write_atomically(tmp_path / "x", "é\nü\r\n")
    assert (tmp_path / "x").read_bytes() == "é\nü\r\n".encode()
    assert sha256_of(tmp_path / "x") == hashlib.sha256((tmp_path / "x").read_bytes()).hexdigest()


def test_a_write_that_fails_leaves_the_old_file_and_nothing_else(tmp_path, small_device):
    path = tmp_path / "answer.json"
    write_atomically(path, "old")
    with pytest.raises(UnicodeEncodeError):
        write_atomically(path, "new \udcff")
    with pytest.raises(OSError, match=r"answer\.json") as failed:
        write_atomically(path, "new" * 1000)
    assert (failed.value.errno, failed.value.filename) == (errno.EFBIG, str(path))
    assert path.read_text() == "old"
    assert os.listdir(tmp_path) == ["answer.json"]


def test_a_folder_has_its_name_once_it_is_whole(tmp_path):
    target = tmp_path / "deep" / "model"
    for content in ("first", "second"):
        with new_folder(target) as folder:
            (folder / "a").mkdir()
            (folder / "a" / content).write_text(content)
            assert not target.exists() or (target / "a" / "first").read_text() == "first"
    assert os.listdir(target / "a") == ["second"]
    assert os.listdir(target.parent) == ["model"]


def test_a_folder_whose_writer_fails_leaves_the_old_one_and_names_itself(tmp_path, small_device):
    target = tmp_path / "model"
    with new_folder(target) as folder:
        (folder / "a").write_text("old")
    with pytest.raises(OSError, match="model") as failed, new_folder(target) as folder:
        (folder / "a").write_bytes(bytes(5000))
    assert failed.value.filename == str(target)
    with pytest.raises(FileExistsError), new_folder(target) as folder:
        folder.mkdir()
    assert (target / "a").read_text() == "old"
    assert os.listdir(tmp_path) == ["model"]


def test_an_error_without_a_number_keeps_its_text_and_is_given_the_path(tmp_path):
    """As numpy and other libraries raise it: an OSError of one text, which a filename would hide."""
    with pytest.raises(OSError, match="half of it") as failed, new_folder(tmp_path / "model"):
        raise OSError("half of it was written")
    assert reason(failed.value) == f"half of it was written; while writing {tmp_path / 'model'}"


def test_what_a_killed_writer_left_of_a_folder_goes_with_the_next(tmp_path):
    left = tmp_path / f".model{UNFINISHED}"
    left.mkdir()
    (left / "half").write_text("half")
    with new_folder(tmp_path / "model") as folder:
        (folder / "a").write_text("whole")
    assert os.listdir(tmp_path / "model") == ["a"]
    assert os.listdir(tmp_path) == ["model"]


def test_a_link_to_a_folder_is_replaced_and_what_it_leads_to_stays(tmp_path):
    (tmp_path / "elsewhere").mkdir()
    (tmp_path / "model").symlink_to(tmp_path / "elsewhere")
    with new_folder(tmp_path / "model") as folder:
        (folder / "a").write_text("new")
    assert sorted(os.listdir(tmp_path)) == ["elsewhere", "model"]
    assert os.listdir(tmp_path / "model") == ["a"]
    assert os.listdir(tmp_path / "elsewhere") == []
