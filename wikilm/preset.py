"""Merge a preset, and single values, into params.yaml; comments and all other values stay.

Examples:
  python -m wikilm.preset                                    list the presets, and say which one params.yaml is
  python -m wikilm.preset seed source.path=enwiki-20260101-pages-articles-multistream.xml.bz2
  python -m wikilm.preset pretrain.causal.epochs=20          one value, and no preset
  python -m wikilm.preset laptop                             the default again

Values are YAML: 5e-5, null, [50, 50], true, or a text. Nothing is written unless all of the result is valid.
"""

import difflib
import io
import json
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from ruamel.yaml import YAML
from ruamel.yaml.error import YAMLError

from wikilm.cli import Parser, program, run
from wikilm.errors import UsageError
from wikilm.files import write_atomically
from wikilm.params import BUILT_IN, DEFAULT_PARAMS, SECTIONS, checked, find_section, read_params, settings_of
from wikilm.presets import PRESETS, Flat, Preset, flat, nearest, values

PROGRAM = "python -m wikilm.preset"


def merged(text: str, changes: Mapping[str, Any]) -> str:
    """Put other values into a params file, formatted as DVC does, so that each change is a change of its line.

    Args:
        text: the file as it is.
        changes: dotted key -> value; its section is there.
    """
    yaml = YAML()  # as dvc.utils.serialize has it
    yaml.default_flow_style = False
    params = yaml.load(text)
    for key, value in changes.items():
        *sections, name = key.split(".")
        node = params
        for part in sections:
            node = node[part]
        if name in node and node[name] == value and isinstance(node[name], type(value)):
            continue  # as it is written, such as 5.0e-5
        node[name] = value
        for comment in (node.ca.items.get(name) or [])[2:3]:
            if comment is not None:  # right behind the new value, not in the column of the old one
                comment.start_mark.column = 0
    out = io.StringIO()
    yaml.dump(params, out)
    return out.getvalue()


def assignment(text: str) -> tuple[str, Any]:
    """`key=value` as a dotted key and a value.

    Raises:
        UsageError: there is no `=`, or no such section.
    """
    key, equals, value = text.partition("=")
    section = key.rpartition(".")[0]
    if not equals:
        raise UsageError(f"{text!r}: write key=value, such as pretrain.causal.epochs=20")
    if section not in SECTIONS:
        known = list(flat(read_params(BUILT_IN)))
        near = difflib.get_close_matches(key, known, n=1) or [one for one in known if one.endswith(f".{key}")][:1]
        raise UsageError(f"{key}: no such key" + (f"; did you mean '{near[0]}'?" if near else ""))
    try:
        parsed = YAML(typ="safe", pure=True).load(value)
    except YAMLError:  # such as "[MASK] flows to the sea"
        parsed = value
    return key, value if isinstance(parsed, Mapping) else parsed


def check(text: str, given: Flat, path: Path) -> Flat:
    """Check every section of a params file, and give all its values.

    Raises:
        UsageError: the first key that is wrong, named as it was given, or with its file.
    """
    params = YAML(typ="safe", pure=True).load(text)
    for section in SECTIONS:
        node = find_section(params, section, path)
        asked = any(key.rpartition(".")[0] == section for key in given)
        checked(node, section, settings_of(section), {}, "" if asked else str(path))
    return flat(params)


def listing(path: Path) -> str:
    """Return the presets, and which of them a params file is."""
    width = max(len(preset.name) for preset in PRESETS)
    lines = [f"  {one.name:<{width}}  {one.purpose}\n  {'':<{width}}  takes {one.takes}" for one in PRESETS]
    if path.exists():
        preset, differs = nearest(read_params(path))
        lines.append(f"\n{path}: {preset.name}" + (f", changed in {', '.join(differs)}" if differs else ""))
    return "\n".join(lines)


def changes(before: Flat, after: Flat) -> str:
    """Return the values that differ, one line each."""
    keys = [key for key, value in after.items() if key not in before or before[key] != value]
    width = max(map(len, keys), default=0)
    return "\n".join(f"  {key:<{width}}  {_shown(before.get(key))} -> {_shown(after[key])}" for key in keys)


def _shown(value: Any) -> str:
    return json.dumps(value, ensure_ascii=False)


def find_preset(name: str) -> Preset:
    """Return the preset of a name.

    Raises:
        UsageError: there is none; the nearest one is named.
    """
    names = {one.name: one for one in PRESETS}
    if name not in names:
        near = difflib.get_close_matches(name, names, n=1)
        hint = f"did you mean '{near[0]}'?" if near else f"there are {', '.join(names)}"
        if "." in name:
            hint = f"for a value, write {name}=VALUE"
        raise UsageError(f"{name!r}: no such preset; {hint}")
    return names[name]


def main(argv: Sequence[str] | None = None) -> None:
    """Run the command `wikilm preset`."""
    parser = Parser(prog=program(PROGRAM), description=__doc__)
    names = ", ".join(one.name for one in PRESETS)
    parser.add_argument("words", nargs="*", metavar="NAME | KEY=VALUE", help=f"{names}; values that win over its own")
    parser.add_argument("--params", type=Path, metavar="FILE", default=DEFAULT_PARAMS, help="the file to change")
    args = parser.parse_args(argv)
    words, file = list(args.words), args.params
    if not words:
        print(listing(file))
        return
    preset = None if "=" in words[0] else find_preset(words.pop(0))
    given = dict(map(assignment, words))
    fresh = not file.exists()
    path = BUILT_IN if fresh else file
    params = read_params(path)
    for section in SECTIONS:
        find_section(params, section, path)
    text = merged(path.read_text(encoding="utf-8"), (values(preset.name) if preset else {}) | given)
    before, after = flat(params), check(text, given, file)
    if fresh or after != before:
        write_atomically(file.resolve(), text)
    print(f"{file}: {'new' if fresh else 'changed' if after != before else 'nothing to change'}")
    if after != before:
        print(changes(before, after))
    if preset:
        print(f"{preset.name}: {preset.purpose}; takes {preset.takes}")


if __name__ == "__main__":
    sys.exit(run(main, PROGRAM))
