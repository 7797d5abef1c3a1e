"""Who started a process for a job is found by the marks in the environment, and its end is heard of."""

import os
import subprocess
import sys

import pytest

from tests.helpers import ROOT
from wikilm.starters import MARKS, Starter, starters, watch

CHAIN = """
import os, subprocess, sys
from wikilm.starters import starters
left = int(sys.argv[1])
if left:
    environment = os.environ | ({sys.argv[2]: "1"} if left == 2 else {})
    command = [sys.executable, sys.argv[3], str(left - 1), *sys.argv[2:]]
    sys.exit(subprocess.run(command, env=environment).returncode)
print(*[starter.pid for starter in starters()])
print(os.getppid())
"""


@pytest.mark.parametrize("mark", MARKS)
def test_they_are_the_ancestors_up_to_the_one_that_set_the_mark(tmp_path, mark):
    script = tmp_path / "chain.py"
    script.write_text(CHAIN)
    environment = {name: value for name, value in os.environ.items() if name not in MARKS}
    command = [sys.executable, str(script), "3", mark, str(script)]
    done = subprocess.run(
        command, capture_output=True, text=True, cwd=ROOT, env=environment | {"PYTHONPATH": str(ROOT)}, check=True
    )
    found, parent = done.stdout.splitlines()
    assert len(found.split()) == 2  # the one in between, which has the mark, and the one that set it
    assert found.split()[0] == parent


def test_a_process_that_a_person_started_has_none(monkeypatch):
    for mark in MARKS:
        monkeypatch.delenv(mark, raising=False)
    assert starters() == []


def test_the_end_of_the_first_that_ends_is_told_also_when_it_was_before():
    children = [subprocess.Popen([sys.executable, "-c", "input()"], stdin=subprocess.PIPE) for _ in range(2)]
    watched = [Starter(child.pid, "child") for child in children]
    for ended in (children[1], children[1]):
        read, write = os.pipe()
        watch(watched, lambda starter, write=write: os.write(write, str(starter.pid).encode()))
        ended.kill()
        assert int(os.read(read, 32)) == ended.pid
        ended.wait()
    children[0].kill()
    children[0].wait()
