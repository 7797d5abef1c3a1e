"""Read the arguments of a template."""

from typing import NamedTuple


class Arguments(NamedTuple):
    """What stands between the bars of a template."""

    positional: list[str]  # the first is the known name of the template, in lower case
    named: dict[str, str]

    def at(self, number: int) -> str:
        """Return the argument of that number, from 1, given by position or by name; "" where there is none."""
        by_position = self.positional[number] if number < len(self.positional) else ""
        return shown(self.named.get(str(number), by_position))

    def text(self, *names: str) -> str:
        """Return the first of the named arguments that is given and not empty, or ""."""
        return next((text for name in names if (text := shown(self.named.get(name, "")))), "")


def shown(argument: str) -> str:
    """Return an argument without space around it; "" if it holds nothing but cuts (signs.CUT)."""
    return argument.strip() if argument.strip(" \t\n\x03") else ""
