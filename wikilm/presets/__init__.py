"""Read the presets, which are whole or partial sets of values for params.yaml.

`laptop.yaml` is whole, and is what params.yaml holds in a fresh clone. The others say what differs from it.
"""

import functools
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, NamedTuple

from wikilm.params import DEFAULT_PARAMS, read_params

FOLDER = Path(__file__).parent


class Preset(NamedTuple):
    """What a preset is for, and what running all its stages takes."""

    name: str
    purpose: str
    takes: str


PRESETS = (
    Preset("laptop", "two small models on the bundled corpus", "minutes on two CPU cores, under 4 GB of memory"),
    Preset(
        "tiny",
        "models of 0.2M parameters on 40 articles, to try all stages",
        "ten seconds of training, a few minutes in all",
    ),
    Preset(
        "seed",
        "GPT-2 124M and BERT base on 50 articles, 100 epochs",
        "some hours on one GPU with 16 GB; about 165 hours on two CPU cores",
    ),
    Preset(
        "wikipedia",
        "GPT-2 124M and BERT base on a whole dump, one epoch",
        "5 hours on one H100 or 15 on one A100 (computed), with 24 GB or more; not feasible on a CPU",
    ),
    Preset(
        "wikipedia-8gpu",
        "GPT-2 355M and BERT large on a whole dump, four epochs",
        "7 hours on eight H100 or 22 on eight A100 (computed), with 24 GB or more each",
    ),
    Preset(
        "wikipedia-2nodes",
        "GPT-2 774M and BERT large on a whole dump, four and eight epochs",
        "7 hours on sixteen H100 or 23 on sixteen A100 (computed), with 40 GB or more each",
    ),
)
LAPTOP = PRESETS[0]
Flat = dict[str, Any]  # "pretrain.causal.layers" -> 2


def flat(params: Mapping[str, Any], prefix: str = "") -> Flat:
    """Nested sections as one mapping with dotted keys."""

    def pairs() -> Iterator[tuple[str, Any]]:
        for key, value in params.items():
            if isinstance(value, Mapping):
                yield from flat(value, f"{prefix}{key}.").items()
            else:
                yield f"{prefix}{key}", value

    return dict(pairs())


@functools.cache  # each is asked for many times to compare params with all presets
def overlay(name: str) -> Mapping[str, Any]:
    """Return the values in a preset's own file."""
    return flat(read_params(FOLDER / f"{name}.yaml"))


def values(name: str) -> Flat:
    """Return the values that choosing a preset sets.

    All that there are for `laptop`. For another one those that any preset but `laptop` says, so that nothing is left of
    the preset before, and what no preset is about (the source, a title) stays as it is.
    """
    laptop = overlay(LAPTOP.name)
    if name == LAPTOP.name:
        return dict(laptop)
    others = [overlay(preset.name) for preset in PRESETS[1:]]
    return {key: laptop[key] for key in laptop if any(key in other for other in others)} | dict(overlay(name))


class Standing(NamedTuple):
    """Which preset a set of params is, or is nearest to, and the keys in which it differs."""

    preset: Preset
    differs: list[str]


def nearest(params: Mapping[str, Any]) -> Standing:
    """Return the preset that differs from `params` in the fewest keys; of two, the first in the list."""
    now = flat(params)
    decisive = {key for preset in PRESETS[1:] for key in overlay(preset.name)}
    wanted = {preset: values(LAPTOP.name) | values(preset.name) for preset in PRESETS}
    there = [
        Standing(preset, [key for key, value in whole.items() if now.get(key, value) != value])
        for preset, whole in wanted.items()
    ]
    return min(there, key=lambda one: len(decisive.intersection(one.differs)))


def describe(path: Path = DEFAULT_PARAMS) -> str | None:
    """One line that says which preset a params file is and what it takes; None for an unchanged `laptop`, or no file.

    Raises:
        UsageError: the file cannot be read.
    """
    if not path.exists():
        return None
    preset, differs = nearest(read_params(path))
    if preset is LAPTOP and not differs:
        return None
    shown = ", ".join(differs[:4]) + (f" and {len(differs) - 4} more" if len(differs) > 4 else "")
    changed = f", changed in {shown}" if differs else ""
    return f"{path}: preset {preset.name} ({preset.purpose}){changed}; unchanged it takes {preset.takes}"
