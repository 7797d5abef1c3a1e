"""Hold that imports go one way, that every test has the path of its module, and that no test file needs another."""

import ast
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


def test_no_test_file_imports_another() -> None:
    """What they share is in tests/helpers, so that a test can be read, moved and removed by itself."""

    def imported(file: Path) -> set[str]:
        names: set[str] = set()
        for node in ast.walk(ast.parse(file.read_text(encoding="utf-8"))):
            if isinstance(node, ast.Import):
                names |= {alias.name for alias in node.names}
            elif isinstance(node, ast.ImportFrom):
                names |= {f"{'.' * node.level}{node.module or ''}.{alias.name}" for alias in node.names}
        return names

    found = {
        f"{file.relative_to(ROOT)} imports {name}"
        for file in TESTS.rglob("*.py")
        for name in imported(file)
        if name.startswith((".", "tests.")) and any(part.startswith(("test_", "conftest")) for part in name.split("."))
    }
    assert found == set()
