"""A command that DVC starts says which stage it is, and what for."""

import re
import subprocess
import sys

import pytest

from tests.helpers import ROOT
from wikilm.stage import TOLD, heading

STAGES = """stages:
  first: {desc: "make\\n a", cmd: "true"}
  second: {foreach: [x, y], do: {desc: "make b of ${item}", cmd: "true"}}
"""


@pytest.mark.parametrize(
    ("name", "told"),
    [
        ("first", "stage 1 of 3, first: make a"),
        ("second@y", "stage 3 of 3, second@y: make b of y"),
        ("third", None),
    ],
)
def test_the_place_among_all_stages_and_the_purpose(tmp_path, name, told):
    (tmp_path / "dvc.yaml").write_text(STAGES)
    assert heading({"DVC_STAGE": name, "DVC_ROOT": str(tmp_path)}) == told


@pytest.mark.parametrize("content", [None, "stages: [", "[]", "stages: {first: 1}", "other: {}"])
def test_a_dvc_yaml_that_cannot_be_read_is_not_ours_to_complain_of(tmp_path, content):
    if content is not None:
        (tmp_path / "dvc.yaml").write_text(content)
    assert heading({"DVC_STAGE": "first", "DVC_ROOT": str(tmp_path)}) is None


def test_what_a_launcher_has_said_its_processes_do_not_say_again(tmp_path):
    (tmp_path / "dvc.yaml").write_text(STAGES)
    assert heading({"DVC_STAGE": "first", "DVC_ROOT": str(tmp_path), TOLD: "1"}) is None


def test_outside_dvc_nothing_is_said():
    assert heading({}) is None


def test_a_command_says_it_first():
    environment = {"DVC_STAGE": "tokenizer", "DVC_ROOT": str(ROOT), "PYTHONPATH": str(ROOT)}
    command = [sys.executable, "-m", "pipeline.tokenizer", "--params", "none.yaml", "--output", "x"]
    done = subprocess.run(command, env=environment, capture_output=True, text=True, check=False)
    first, second = done.stderr.splitlines()
    assert re.match(r"stage 1 of \d+, tokenizer: ", first)
    assert "none.yaml" in second
