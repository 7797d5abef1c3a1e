"""A section of params.yaml in, a checked and frozen settings object out, or an error that names the key."""

import argparse
import contextlib
import difflib
from collections.abc import Mapping
from pathlib import Path
from typing import Any, TypeVar

from pydantic import BaseModel, ConfigDict, ValidationError
from ruamel.yaml import YAML
from ruamel.yaml.error import YAMLError

from wikilm.errors import UsageError

DEFAULT_PARAMS = Path("params.yaml")


class Section(BaseModel):
    """One section of params.yaml: no unknown keys, no silent conversion of types, no change after load."""

    model_config = ConfigDict(extra="forbid", frozen=True, strict=True, validate_default=True)


S = TypeVar("S", bound=Section)


def read_params(path: Path) -> dict[str, Any]:
    """Read a params file as YAML 1.2, as DVC does (so that `5e-5` is a number).

    Raises:
        UsageError: the file is missing, is no YAML, or is no mapping.
    """
    try:
        text = path.read_text(encoding="utf-8")
    except FileNotFoundError:
        raise UsageError(f"{path}: no such params file; name one with --params") from None
    except (OSError, UnicodeDecodeError) as error:
        raise UsageError(f"{path}: cannot read it: {error}") from None
    try:
        params = YAML(typ="safe", pure=True).load(text)
    except YAMLError as error:
        raise UsageError(f"{path}: not valid YAML: {' '.join(str(error).split())}") from None
    if not isinstance(params, Mapping):
        raise UsageError(f"{path}: must hold sections such as 'shards:', not {type(params).__name__}")
    return dict(params)


def section(path: Path, key: str, settings: type[S], overrides: Mapping[str, Any] | None = None) -> S:
    """Load the section `key` ("shards", or dotted: "pretrain.causal") of the params file at `path`.

    Args:
        path: the params file; without one of the default name, `overrides` may be all there is.
        key: which section; a dot goes one level down.
        settings: the class that says which keys there are and what they may hold.
        overrides: values from the command line, which win (see `from_flags`).

    Raises:
        UsageError: a missing section, an unknown key (the nearest known one is named), or a wrong value.
    """
    given = dict(overrides or {})
    if path == DEFAULT_PARAMS and not path.exists():
        with contextlib.suppress(ValidationError):  # which is told as what it is: nobody says what is missing
            return settings.model_validate(given)
    node: Any = read_params(path)
    for part in key.split("."):
        if not isinstance(node, Mapping) or part not in node:
            raise UsageError(f"{path}: section '{key}' is missing")
        node = node[part]
    if not isinstance(node, Mapping):
        raise UsageError(f"{path}: section '{key}' must hold keys and values, not {node!r}")
    try:
        return settings.model_validate({**node, **given})
    except ValidationError as error:
        raise UsageError(_explain(path, key, settings, given, error)) from None


def from_flags(args: argparse.Namespace, *names: str) -> dict[str, Any]:
    """The named command-line values that were given, as overrides for `section`."""
    return {name: getattr(args, name) for name in names if getattr(args, name) is not None}


def _explain(path: Path, key: str, settings: type[Section], given: Mapping[str, Any], error: ValidationError) -> str:
    """The first problem, in one line: where it stands, what was there, what it should be."""
    # A mistyped key is both unknown and missing: that it is unknown is what helps.
    problem = min(error.errors(include_url=False), key=lambda one: one["type"] != "extra_forbidden")
    place = [str(part) for part in problem["loc"]]
    from_flag = bool(place) and place[0] in given
    name = "--" + place[0].replace("_", "-") if from_flag else ".".join([key, *place])
    where = name if from_flag else f"{path}: {name}"
    if problem["type"] == "extra_forbidden":
        near = difflib.get_close_matches(place[-1], _keys(settings, place[:-1]), n=1)
        return f"{where}: no such key" + (f"; did you mean '{near[0]}'?" if near else "")
    if problem["type"] == "missing":
        return f"{where}: is missing"
    message = problem["msg"].removeprefix("Value error, ").removeprefix("Input ")
    return f"{where}: {message}" + (f", got {problem['input']!r}" if place else "")


def _keys(settings: type[Section], place: list[str]) -> list[str]:
    """The known keys at a place within a section."""
    fields = settings.model_fields
    for part in place:
        inner = fields[part].annotation if part in fields else None
        if not (isinstance(inner, type) and issubclass(inner, BaseModel)):
            return []
        fields = inner.model_fields
    return list(fields)
