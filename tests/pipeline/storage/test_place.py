import errno
import hashlib
import os
import subprocess
import sys

import pytest

import pipeline.storage.store_writer
from pipeline.storage.place import Place, parse_place
from tests.helpers.s3 import s3_server
from wikilm.errors import UsageError


@pytest.fixture(scope="module")
def bucket():
    with s3_server("things") as url:
        yield url


@pytest.fixture(params=["folder", "store"])
def place(request, tmp_path, bucket, monkeypatch):
    monkeypatch.setattr(pipeline.storage.store_writer, "SETTLE_SECONDS", 0.0)
    made = Place(str(tmp_path) if request.param == "folder" else f"{bucket}/{tmp_path.name}")
    yield made
    if not made.is_local:
        made.remove("")


def test_what_is_written_is_there_by_its_name_and_nothing_else(place):
    place.write("a/b/x.bin", b"hello" * 1000)
    place.write("a/empty", b"")
    with place.create("a/b/x.bin") as file:
        file.write(b"again")
    assert (place.names("a"), place.folders("a")) == (["empty"], ["b"])
    assert place.sizes() == {"a/b/x.bin": 5, "a/empty": 0}
    assert place.inside("a").sizes("b") == {"x.bin": 5}
    assert place.read("a/b/x.bin") == b"again"
    assert place.sha256("a/b/x.bin") == hashlib.sha256(b"again").hexdigest()


def test_lines_come_one_by_one(place):
    place.write("a", b"one\n\ntwo \r\n" + b"x" * 100_000)
    assert list(place.lines("a")) == [b"one\n", b"\n", b"two \r\n", b"x" * 100_000]
    with pytest.raises(FileNotFoundError):
        next(place.lines("b"))


def test_a_file_whose_writer_fails_is_not_there(place):
    def breaks_off():
        with place.create("x") as file:
            file.write(b"half")
            raise RuntimeError

    with pytest.raises(RuntimeError):
        breaks_off()
    assert place.sizes() == {}


def test_a_write_that_fails_leaves_nothing_and_names_the_file(tmp_path):
    place = Place(str(tmp_path))
    with pytest.raises(OSError, match=r"x\.arrow"), place.create("x.arrow"):
        raise OSError(errno.ENOSPC, "No space left on device")
    assert list(tmp_path.iterdir()) == []


def test_what_is_not_there_is_said_so_and_can_be_removed_and_listed(place):
    with pytest.raises(FileNotFoundError):
        place.read("none")
    place.remove("none")
    assert (place.names("none"), place.folders("none"), place.sizes("none")) == ([], [], {})


def test_of_two_that_make_a_new_file_one_does(place):
    assert place.create_new("lock", b"first")
    assert not place.create_new("lock", b"second")
    assert place.read("lock") == b"first"


def test_removing_takes_a_folder_with_all_in_it_and_no_namesake(place):
    for name in ("train/x", "train/y/z", "train-2/x", "train.txt"):
        place.write(name, b"1")
    place.remove("train")
    assert set(place.sizes()) == {"train-2/x", "train.txt"}


def test_a_place_takes_files_and_folders_of_another(place):
    work, output = place.inside("work"), place.inside("out")
    for name in ("train/x", "train/y/z", "letters"):
        work.write(name, name.encode())
    output.write("other", b"")
    for name in ("train", "letters"):
        output.move_from(work, name)
    assert set(output.sizes()) == {"train/x", "train/y/z", "letters", "other"}
    assert output.read("train/y/z") == b"train/y/z"


@pytest.mark.parametrize("address", ["s3://key:sec/ret@bucket/x", "s3://key:secret@bucket", "s3://b/x?token=secret"])
def test_credentials_in_an_address_are_refused_and_not_repeated(address):
    with pytest.raises(UsageError, match=r"--output: .*AWS_ACCESS_KEY_ID") as refused:
        parse_place(address, "--output")
    assert "sec" not in str(refused.value)


def test_addresses_and_paths_are_told_apart(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    for address in ("out", f"{tmp_path}/out", f"file://{tmp_path}/out"):
        assert parse_place(address, "--output") == Place(f"{tmp_path}/out")
    assert parse_place("s3://bucket/a/", "--output") == Place("s3://bucket/a")
    with pytest.raises(UsageError, match="names no bucket"):
        parse_place("s3://", "--output")


@pytest.mark.parametrize(
    ("address", "told"), [("s3://nowhere/x", "no such bucket"), ("sprint://x/y", "no such kind of address")]
)
def test_what_is_wrong_with_an_address_is_told_in_one_line(bucket, address, told):
    for act in (
        Place.names,
        Place.sizes,
        lambda place: place.write("x", b""),
        lambda place: place.create_new("x", b""),
    ):
        with pytest.raises(UsageError, match=told):
            act(Place(address))


def test_a_missing_package_is_named_with_the_command_that_brings_it(monkeypatch):
    def missing(*_, **__):
        raise ImportError("Install s3fs to access S3")

    monkeypatch.setattr("fsspec.filesystem", missing)
    with pytest.raises(UsageError, match="make setup"):
        Place("s3://bucket/x").names()


def test_a_file_that_gets_its_final_name_while_sizes_are_taken_is_no_error(tmp_path, monkeypatch):
    place, listed = Place(str(tmp_path)), os.walk
    place.write("train/a", b"12")
    monkeypatch.setattr(os, "walk", lambda root: [*listed(root), (f"{root}/train", [], [".a.0123"])])
    assert place.sizes() == {"train/a": 2}


@pytest.mark.parametrize("address", ["http://localhost/x", "https://example.org/shards"])
def test_a_web_server_is_no_place_to_write_to(address):
    with pytest.raises(UsageError, match="cannot be written to"):
        parse_place(address, "--output")


def test_shards_can_be_read_where_training_alone_is_installed_which_has_no_web_client(tmp_path):
    Place(str(tmp_path)).write("x", b"hello")
    script = f"""
import sys
sys.modules["urllib3"] = None  # an import of it fails
from pipeline.storage import parse_place
print(parse_place({str(tmp_path)!r}, "DIR").read("x"))
"""
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=False)
    assert (done.stdout, done.stderr) == ("b'hello'\n", "")
