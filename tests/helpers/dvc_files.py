"""Read the project's dvc.yaml, and other files of DVC and the params."""

import ast
from pathlib import Path

from ruamel.yaml import YAML

from tests.helpers import ROOT


def yaml(path: Path) -> dict:
    """The content of a YAML file."""
    return YAML(typ="safe", pure=True).load(path.read_text(encoding="utf-8"))


def stages() -> dict[str, dict]:
    """The stages of dvc.yaml, with `foreach` laid out."""
    found = {}
    for name, stage in yaml(ROOT / "dvc.yaml")["stages"].items():
        for item in stage.get("foreach", [None]):
            text = repr(stage["do"] if item else stage).replace("${item}", str(item))
            found[f"{name}@{item}" if item else name] = ast.literal_eval(text)
    return found
