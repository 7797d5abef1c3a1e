"""The rooms of the house: who may import what, and every test beside the module that it is of."""

import subprocess
from pathlib import Path

from tests.helpers import ROOT

TESTS = ROOT / "tests"
OF_A_WING = ("test_constants.py", "test_plain_python.py")  # of all modules of pipeline/prose/compiled
OWN_ROOMS = ("flows", "helpers", "docs")  # whole flows, what tests share, and what docs promise: no module's mirror


def test_imports_go_in_one_direction() -> None:
    done = subprocess.run(
        ["lint-imports", "--no-cache", "--no-logo"], cwd=ROOT, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stdout


def test_every_test_has_the_path_of_a_module() -> None:
    def module_of(test: Path) -> Path:
        name = test.name.removeprefix("test_").replace("main.py", "__main__.py")
        return ROOT / test.relative_to(TESTS).with_name(name)

    tests = [test for test in TESTS.rglob("test_*.py") if test.parent != TESTS and test.name not in OF_A_WING]
    strays = [
        str(test.relative_to(ROOT))
        for test in tests
        if test.relative_to(TESTS).parts[0] not in OWN_ROOMS
        and not module_of(test).exists()
        and not module_of(test).with_suffix("").is_dir()
    ]
    assert strays == []
