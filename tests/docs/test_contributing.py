"""The two walks through the code name files and definitions that are there."""

import ast
import re
from pathlib import Path

import pytest

from tests.helpers import ROOT

TEXT = (ROOT / "CONTRIBUTING.md").read_text(encoding="utf-8")
WALKS = re.split(r"^## ", TEXT, flags=re.MULTILINE)[1:3]
NAMED = sorted({(name[1], name[2]) for walk in WALKS for name in re.finditer(r"`([a-z_/]+\.py):([\w.]+)`", walk)})


def definitions(file: Path) -> set[str]:
    """What a module defines, methods as Class.method."""
    found = set()
    for node in ast.parse(file.read_text(encoding="utf-8")).body:
        if isinstance(node, ast.FunctionDef | ast.ClassDef):
            found.add(node.name)
        if isinstance(node, ast.ClassDef):
            found |= {f"{node.name}.{inner.name}" for inner in node.body if isinstance(inner, ast.FunctionDef)}
    return found


def test_each_walk_has_ten_lines() -> None:
    for walk in WALKS:
        assert re.findall(r"^([0-9]+)\. ", walk, flags=re.MULTILINE) == [str(number) for number in range(1, 11)]


@pytest.mark.parametrize(("file", "name"), NAMED)
def test_what_the_walks_name_is_there(file: str, name: str) -> None:
    path = ROOT / file if (ROOT / file).exists() else ROOT / "pipeline" / file
    assert name in definitions(path)


@pytest.mark.parametrize(("package", "prefix"), [("pipeline", ""), ("train", "train/"), ("probes", "probes/")])
def test_the_maps_name_every_wing(package: str, prefix: str) -> None:
    wings = {folder.parent.name for folder in (ROOT / package).glob("*/__init__.py")}
    rows = re.findall(r"^  \| (`.+?) \|", TEXT, flags=re.MULTILINE)
    assert {name for row in rows for name in re.findall(rf"`{prefix}(\w+)/`", row)} == wings
