"""Write down the sha256 of every file in a folder, as `sha256sum` does, and find what is not so any more."""

import re
from collections.abc import Iterator
from pathlib import Path, PurePosixPath

from wikilm.errors import RunError
from wikilm.files import sha256_of
from wikilm.model_folder import BEST, STEPS

SUMS = "SHA256SUMS"  # `sha256sum --check SHA256SUMS` reads it, too
LINE = re.compile(r"([0-9a-f]{64})  ([^\0\n]+)")  # no name of a file holds a NUL


def write_sums(folder: Path) -> None:
    """Write the sums of all files in a folder and below it, which nothing may change afterwards.

    Raises:
        OSError: a file cannot be read, or the sums cannot be written.
    """
    lines = [f"{sha256_of(folder / name)}  {name}\n" for name in _files(folder)]
    (folder / SUMS).write_text("".join(lines), encoding="utf-8")


def read_sums(folder: Path) -> dict[str, str]:
    """Return the sums of a folder: path within it, with forward slashes -> sha256.

    Raises:
        RunError: there are none, or a line is none, or names what lies elsewhere.
    """
    path, sums = folder / SUMS, dict[str, str]()
    try:
        # Not `splitlines`, which would take a flipped bit's \v for a line's end, and break names that hold U+2028.
        lines = path.read_bytes().decode().removesuffix("\n").split("\n")
    except FileNotFoundError:
        if (above := _whole_model(folder)) and (above / SUMS).is_file():
            raise RunError(f"{path}: no such file; the sums of {above} are of this folder as well: name that") from None
        raise RunError(f"{path}: no such file; python -m train writes it beside each model that it makes") from None
    except (OSError, UnicodeDecodeError) as error:
        raise RunError(f"{path}: cannot be read: {error}") from None
    if all(line.endswith("\r") for line in lines):
        raise RunError(f"{path}: its lines end as on Windows, which Git may have done (core.autocrlf); fetch it anew")
    for number, line in enumerate(lines, 1):
        found = LINE.fullmatch(line)
        # It is input like any other: it must not make a reader open what lies outside its folder.
        if not found or PurePosixPath(found[2]).is_absolute() or ".." in PurePosixPath(found[2]).parts:
            raise RunError(f"{path}: line {number} is no sum of a file in this folder")
        sums[found[2]] = found[1]
    return sums


def faults(folder: Path, sums: dict[str, str]) -> Iterator[str]:
    """Yield a line for each file that is missing, or is not what its sum says."""
    for name, expected in sums.items():
        try:
            digest = sha256_of(folder / name)
        except FileNotFoundError:
            yield f"{folder / name}: is missing"
        except OSError as error:
            yield f"{folder / name}: cannot be read: {error.strerror or error}"
        else:
            if digest != expected:
                yield f"{folder / name}: has sha256 {digest} instead of {expected}"


def unnamed(folder: Path, sums: dict[str, str]) -> list[str]:
    """Return the files that no sum is of."""
    return [name for name in _files(folder) if name not in sums]


def _whole_model(folder: Path) -> Path | None:
    """Return the model that a folder of weights lies in; None where it is no such folder by its name."""
    folder = folder.absolute()
    if folder.name == BEST:
        return folder.parent
    return folder.parent.parent if folder.parent.name == STEPS else None


def _files(folder: Path) -> list[str]:
    found = (path.relative_to(folder).as_posix() for path in folder.rglob("*") if path.is_file())
    return sorted(name for name in found if name != SUMS)
