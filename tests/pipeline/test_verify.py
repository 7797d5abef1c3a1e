"""`python -m pipeline.verify` finds each file of a set that is not what the manifest says, and names it."""

import json
import shutil

from pipeline.verify import main
from wikilm.cli import run
from wikilm.shards.reading import read_manifest


def test_it_finds_every_change_and_tells_strangers(tiny_shards, tmp_path, capsys):
    shutil.copytree(tiny_shards, tmp_path / "out")
    (tmp_path / "out" / "notes.txt").write_text("x")
    assert run(main, "verify", [str(tmp_path / "out")]) == 0
    said = capsys.readouterr()
    assert json.loads(said.out.splitlines()[-1])["train_rows"] == read_manifest(tiny_shards).row_count("train")
    assert "notes.txt: is not named" in said.err
    shards = sorted((tmp_path / "out" / "train").glob("*.arrow"), key=lambda path: -path.stat().st_size)
    changed = bytearray(shards[0].read_bytes())
    changed[-200] ^= 1
    shards[0].write_bytes(changed)
    shards[1].unlink()
    (tmp_path / "out" / "validation" / "state.json").write_text("{}")
    assert run(main, "verify", [str(tmp_path / "out")]) == 1
    said = capsys.readouterr()
    assert said.out == ""
    assert f"{shards[0]}: has sha256" in said.err
    assert f"{shards[1]}: is missing" in said.err
    assert "state.json: has 2 bytes" in said.err
    assert "problems found: 3" in said.err.splitlines()[-1]


def test_a_folder_without_manifest_says_how_to_make_one(tmp_path, capsys):
    assert run(main, "verify", [str(tmp_path)]) == 1
    assert "python -m pipeline" in capsys.readouterr().err
