"""Say which stage of dvc.yaml a command runs as, and what the stage is for."""

import os
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

DVC_ROOT, DVC_STAGE = "DVC_ROOT", "DVC_STAGE"  # what DVC tells the commands that it starts (dvc/env.py)
TOLD = "WIKILM_STAGE_TOLD"  # set for processes whose launcher has said which stage they are


def heading(environment: Mapping[str, str] = os.environ) -> str | None:
    """`stage 3 of 8, pretrain@causal: train a fresh GPT-2 ...` where DVC has started us, else None.

    Only a courtesy: whatever is wrong with dvc.yaml is for DVC to say.
    """
    name, root = environment.get(DVC_STAGE), environment.get(DVC_ROOT)
    if not name or not root or TOLD in environment:
        return None
    try:
        purposes = dict(stages(Path(root) / "dvc.yaml"))
    except (OSError, ValueError, LookupError, AttributeError, TypeError):
        return None
    if name not in purposes:
        return None
    return f"stage {list(purposes).index(name) + 1} of {len(purposes)}, {name}: {purposes[name]}"


def stages(path: Path) -> Iterator[tuple[str, str]]:
    """Yield the stages of a dvc.yaml in their order, `foreach` laid out as DVC does, each with its `desc`.

    Raises:
        OSError, ValueError: the file cannot be read, or is no YAML.
    """
    from ruamel.yaml import YAML
    from ruamel.yaml.error import YAMLError

    try:
        content: dict[str, Any] = YAML(typ="safe", pure=True).load(path.read_text(encoding="utf-8"))
    except YAMLError as error:
        raise ValueError(str(error)) from None
    for name, stage in content["stages"].items():
        template = stage.get("do", stage)
        for item in stage.get("foreach", [None]):
            desc = " ".join(str(template.get("desc", "")).split())
            yield (name if item is None else f"{name}@{item}"), desc.replace("${item}", str(item))
