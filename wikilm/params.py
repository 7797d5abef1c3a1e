"""Load a section of params.yaml as checked and frozen settings; an error names the key."""

import argparse
import difflib
import importlib
import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any, TypeVar

from pydantic import BaseModel, ConfigDict, ValidationError, field_validator
from ruamel.yaml import YAML
from ruamel.yaml.error import YAMLError

from wikilm.errors import UsageError

DEFAULT_PARAMS = Path("params.yaml")
BUILT_IN = Path(__file__).parent / "presets" / "laptop.yaml"
MOST = 2**63 - 1  # what Arrow and torch count with
LARGEST = 3.4028234663852886e38  # what torch computes with: float32 (IEEE 754)
SHOWN = 60  # characters of a value that --help or an error shows
# Which settings class checks which section. By name, since `wikilm` imports none of the packages that it serves: a
# class is imported when its section is asked for.
SECTIONS = {
    "source": "pipeline.settings:SourceSettings",
    "split": "pipeline.settings:SplitSettings",
    "tokenizer": "pipeline.settings:TokenizerSettings",
    "shards": "pipeline.settings:ShardsSettings",
    "pretrain.causal": "train.settings:CausalSettings",
    "pretrain.masked": "train.settings:MaskedSettings",
    "fill_mask": "probes.settings:FillMaskSettings",
    "generation": "probes.settings:GenerationSettings",
    "recitation": "probes.settings:RecitationSettings",
    "index": "probes.settings:IndexSettings",
    "trace": "probes.settings:TraceSettings",
    "curves": "probes.settings:CurvesSettings",
    "report": "probes.settings:ReportSettings",
}


class Section(BaseModel):
    """One section of params.yaml: no unknown keys, no silent conversion of types, finite numbers, fixed once loaded."""

    model_config = ConfigDict(extra="forbid", frozen=True, strict=True, validate_default=True, allow_inf_nan=False)

    @field_validator("*")
    @classmethod
    def _fits_in_a_number_of_a_machine(cls, value: Any) -> Any:
        for one in value if isinstance(value, list | tuple) else (value,):
            if isinstance(one, int) and not -MOST - 1 <= one <= MOST:
                raise ValueError("should fit in 64 bits")
            if isinstance(one, float) and abs(one) > LARGEST:
                raise ValueError(f"should be at most {LARGEST:.5g}, the largest number of 32 bits")
        return value


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
    except (YAMLError, ValueError, LookupError, RecursionError) as error:  # the others by values such as 2020-13-45
        raise UsageError(f"{path}: not valid YAML: {' '.join(str(error).split())}") from None
    if not isinstance(params, Mapping):
        raise UsageError(f"{path}: must hold sections such as 'shards:', not {type(params).__name__}")
    return dict(params)


def built_in() -> dict[str, Any]:
    """Return the parameters that hold where there is no params file: the laptop preset, on the corpus of the wheel."""
    params = read_params(BUILT_IN)
    params["source"]["path"] = str(BUILT_IN.parents[2] / params["source"]["path"])
    return params


def find_section(params: Mapping[str, Any], key: str, path: Path) -> dict[str, Any]:
    """Return the section `key` ("shards", or dotted: "pretrain.causal") of what was read from `path`.

    Raises:
        UsageError: it is missing, or is no mapping.
    """
    node: Any = params
    for part in key.split("."):
        if not isinstance(node, Mapping) or part not in node:
            raise UsageError(f"{path}: section '{key}' is missing")
        node = node[part]
    if not isinstance(node, Mapping):
        raise UsageError(f"{path}: section '{key}' must hold keys and values, not {node!r}")
    return dict(node)


def section(
    path: Path | None,
    key: str,
    settings: type[S],
    overrides: Mapping[str, Any] | None = None,
    flags: Mapping[str, str] | None = None,
) -> S:
    """Load the section `key` of a params file.

    Args:
        path: the params file; None for params.yaml of the current folder, or what is built in where there is none.
        key: which section, as in `find_section`.
        settings: the class that says which keys there are and what they may hold.
        overrides: values from the command line, which win (see `from_flags`).
        flags: key -> the flag that it is from, without its hyphens, where the two differ.

    Raises:
        UsageError: a missing section, an unknown key (the nearest known one is named), or a wrong value.
    """
    if path is None and not DEFAULT_PARAMS.exists():
        params, path = built_in(), Path("built-in params")
    else:
        path = path or DEFAULT_PARAMS
        params = read_params(path)
    return checked(find_section(params, key, path), key, settings, overrides or {}, str(path), flags)


def checked(
    node: Mapping[str, Any],
    key: str,
    settings: type[S],
    overrides: Mapping[str, Any],
    where: str,
    flags: Mapping[str, str] | None = None,
) -> S:
    """Check a section, overridden by the command line, and give its settings.

    Raises:
        UsageError: an unknown key or a wrong value, named with its flag or its place in `where`.
    """
    try:
        return settings.model_validate({**node, **overrides})
    except ValidationError as error:
        named = {name: f"--{name.replace('_', '-')}" for name in overrides}
        named |= {name: f"--{flag}" for name, flag in (flags or {}).items() if name.partition(".")[0] in overrides}
        given = {name: value for name, value in overrides.items() if value is not None}
        at_fault = [named[name] for name, value in given.items() if not _fits(settings, {**node, name: value})]
        whole = " and ".join(dict.fromkeys(at_fault)) if _fits(settings, node) else ""
        raise UsageError(_explain(where, key, settings, named, whole, error)) from None


def _fits(settings: type[Section], values: Mapping[str, Any]) -> bool:
    try:
        settings.model_validate(values)
    except ValidationError:
        return False
    return True


def shown_values(path: Path | None, key: str) -> dict[str, str]:
    """For --help: key -> the value that holds where no flag is given, and where it comes from."""
    settings = settings_of(key)
    file = path or DEFAULT_PARAMS
    in_file = path is not None or file.exists()
    try:
        node = find_section(read_params(file) if in_file else built_in(), key, file)
        values = settings.model_validate(node).model_dump()
    except (UsageError, ValidationError):  # told when the command runs; help has to come all the same
        return dict.fromkeys(settings.model_fields, f"({file}: not valid)")
    return {
        name: f"({file if in_file and name in node else 'built in'}: {_short(value)})" for name, value in values.items()
    }


def _short(value: Any) -> str:
    text = value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)
    return text if len(text) <= SHOWN else f"{text[:SHOWN]}…"


def from_flags(args: argparse.Namespace, *names: str) -> dict[str, Any]:
    """Return the named command-line values that were given, as overrides for `section`."""
    return {name: getattr(args, name) for name in names if getattr(args, name) is not None}


def _explain(
    path: str, key: str, settings: type[Section], flags: Mapping[str, str], whole: str, error: ValidationError
) -> str:
    """Put the first problem into one line: where it stands, what was there, what it should be.

    Args:
        path: of the params file; may be empty.
        key: of the section.
        settings: its class.
        flags: of the keys that the command line gave; those of keys within keys by their dotted names.
        whole: flags that make the section wrong as a whole; may be empty.
        error: which problems there are.
    """
    # A mistyped key is both unknown and missing: that it is unknown is what helps.
    problem = min(error.errors(include_url=False), key=lambda one: one["type"] != "extra_forbidden")
    place = [str(part) for part in problem["loc"] if part != "[key]"]  # which is wrong itself, not what it stands for
    flag = _flag(place, flags) if place else whole
    name = ".".join([key, *place])
    where = flag or (f"{path}: {name}" if path else name)
    if problem["type"] == "extra_forbidden":
        near = difflib.get_close_matches(place[-1], _keys(settings, place[:-1]), n=1)
        return f"{where}: no such key" + (f"; did you mean '{near[0]}'?" if near else "")
    if problem["type"] == "missing":
        return f"{where}: is missing"
    message = problem["msg"].removeprefix("Value error, ").removeprefix("Input ")
    return f"{where}: {message}" + (f", got {_short(repr(problem['input']))}" if place else "")


def _flag(place: list[str], flags: Mapping[str, str]) -> str:
    """Return the flag that gave what stands at a place, or an empty text."""
    names = [part for part in place if not part.isdecimal()]
    dotted = (".".join(names[:size]) for size in range(len(names), 0, -1))
    return next((flags[name] for name in dotted if name in flags), "")


def _keys(settings: type[Section], place: list[str]) -> list[str]:
    """Return the known keys at a place within a section."""
    fields = settings.model_fields
    for part in place:
        inner = fields[part].annotation if part in fields else None
        if not (isinstance(inner, type) and issubclass(inner, BaseModel)):
            return []
        fields = inner.model_fields
    return [field.alias or name for name, field in fields.items()]


def settings_of(section: str) -> type[Section]:
    """Return the settings class of a section."""
    module, _, name = SECTIONS[section].partition(":")
    found: type[Section] = getattr(importlib.import_module(module), name)
    return found
