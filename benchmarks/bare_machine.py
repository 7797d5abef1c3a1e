"""Import this first, and what is measured runs on a machine that has torch, transformers and accelerate alone.

The face of a wing imports all of the wing, and with it packages that a training step does not need. Here each name is
imported when it is first asked for: `from train.plan import IGNORED` imports `train.plan.batch`, and not the settings,
which need pydantic.
"""

import ast
import sys
from importlib import import_module
from importlib.util import find_spec, module_from_spec
from pathlib import Path
from typing import Any

WINGS = ("train.model", "train.plan", "train.progress", "train.rows", "train.saved", "train.updates", "wikilm.shards")


def _import_by_name(package: str) -> None:
    """Put a package in place that imports each name of its face when it is asked for."""
    spec = find_spec(package)
    if spec is None or spec.origin is None:
        raise ModuleNotFoundError(f"No module named {package!r}", name=package)
    face = ast.parse(Path(spec.origin).read_text(encoding="utf-8"))
    homes = {
        name.name: str(node.module) for node in face.body if isinstance(node, ast.ImportFrom) for name in node.names
    }

    def found(name: str) -> Any:
        if name not in homes:
            raise AttributeError(f"{package} has no {name}")
        return getattr(import_module(homes[name]), name)

    module = module_from_spec(spec)
    module.__dict__["__getattr__"] = found  # PEP 562
    sys.modules[package] = module
    parent, _, name_there = package.rpartition(".")
    setattr(sys.modules[parent], name_there, module)


for wing in WINGS:
    if wing not in sys.modules:
        _import_by_name(wing)
