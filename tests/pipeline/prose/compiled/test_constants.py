"""Each compiled module has constants of its own, as numba's cache needs it; a name means the same in all of them."""

import itertools

import pytest

from pipeline.prose import cut as reference_cut
from pipeline.prose import holes as reference_holes
from pipeline.prose import lines as reference_lines
from pipeline.prose import signs, templates
from pipeline.prose.compiled import cut, holes, lines, marks, page, tokens

MODULES = (tokens, cut, marks, lines, holes)
REFERENCE = (signs, templates, reference_cut, reference_holes, reference_lines)


def constants(module: object) -> dict[str, int | tuple[int, ...]]:
    """The constants of a module that are numbers or characters, as numbers."""
    found: dict[str, int | tuple[int, ...]] = {}
    for name, value in vars(module).items():
        if name.isupper() and isinstance(value, int | tuple):
            found[name] = value
        elif name.isupper() and isinstance(value, str):
            found[name] = ord(value) if len(value) == 1 else tuple(map(ord, value))
    return found


@pytest.mark.parametrize(
    ("one", "other"), list(itertools.combinations([*MODULES, *REFERENCE], 2)), ids=lambda module: module.__name__
)
def test_a_name_has_the_same_value_wherever_it_stands(one: object, other: object) -> None:
    ours, theirs = constants(one), constants(other)
    common = ours.keys() & theirs.keys()
    assert {name: ours[name] for name in common} == {name: theirs[name] for name in common}


def test_the_names_that_matter_are_compared() -> None:
    kinds = {"HOLE", "PLAIN", "NOWIKI", "BRACES", "END_BRACES", "LINK", "END_LINK", "VARIANT", "END_VARIANT", "TABLE"}
    assert kinds | {"END_TABLE", "KIND", "START", "END", "FROM"} <= constants(tokens).keys() & constants(cut).keys()
    assert {"CUT", "ASIDE_OPEN", "ASIDE_CLOSE"} <= constants(signs).keys() & constants(cut).keys()
    assert {"LEVEL", "START", "END", "GIVE_UP", "CUT"} <= constants(marks).keys() & constants(lines).keys()
    assert {"LEVEL", "START", "END", "GIVE_UP", "CUT"} <= constants(marks).keys() & constants(holes).keys()
    assert "MAX_CHARS" in constants(templates).keys() & constants(cut).keys()
    assert {"DASHES", "ENCLOSING"} <= constants(reference_holes).keys() & constants(holes).keys()
    assert "LIST_MARKS" in constants(reference_lines).keys() & constants(marks).keys()
    assert {"KEPT", "DROPPED", "PARTS"} <= constants(reference_cut).keys() & constants(cut).keys()
    assert "MARKS" in constants(reference_holes).keys() & constants(lines).keys() & constants(holes).keys()
    assert "MAX_LINK_PIECES" in constants(reference_cut).keys() & constants(cut).keys()


def test_each_class_has_a_bit_of_its_own() -> None:
    bits = {name: value for module in MODULES for name, value in constants(module).items() if name.startswith("IS_")}
    assert set(bits.values()) <= {1 << place for place in range(8)}
    assert len(set(bits.values())) == len(bits)
    assert len(page.classes()) == tokens.CLASSED
