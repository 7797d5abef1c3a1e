"""Say how to install a package that is missing, in one line instead of a traceback.

Imports the standard library alone, since it has to work where nothing else is installed. No hint names a package of
ours on a registry: the name there may belong to anybody.
"""

import os
import sys
from collections.abc import Callable
from pathlib import Path
from types import TracebackType

from wikilm import __version__

ROOT = Path(__file__).parents[1]  # the checkout, or the folder that the wheel was installed to
OURS = ("wikilm", "pipeline", "train", "probes", "corpus", "launch", "benchmarks", "tests")
CORE = (
    "annotated_types",
    "pyarrow",
    "pydantic",
    "pydantic_core",
    "ruamel",
    "tqdm",
    "wcwidth",
)  # what all need
# package -> the extra that brings it
EXTRAS = {"s3fs": "s3", "gcsfs": "gs", "dvc": "versions", "dvclive": "versions", "aiohttp": "explore"}
EXTRA_OF = {"pipeline": "pipeline", "train": "train", "probes": "probes", "wikilm": "versions"}  # ours -> what it needs


def how_to_install(extra: str) -> str:
    """Return the way to install an extra of ours (or, for "", what all of them need) into the running environment."""
    brackets = f"[{extra}]" if extra else ""
    if _is_checkout():  # whose own environment has every extra
        return "make setup, then source .venv/bin/activate"
    return f"pip install './wikilm-{__version__}-py3-none-any.whl{brackets}'"


def explain(error: BaseException, package: str) -> str | None:
    """Return what to do about an import that failed in a command of `package`; None where the fault is our own.

    Args:
        error: any exception.
        package: a module of ours, such as "pipeline.verify": its extra has the name of its first part.
    """
    if isinstance(error, ImportError) and "failed to map segment" in str(error):  # as the dynamic linker says it
        return f"out of memory while a library was loaded ({error}); allow more (ulimit -v)"
    name = (getattr(error, "name", None) or "").partition(".")[0]
    if not isinstance(error, ModuleNotFoundError) or not name or name in OURS or name in sys.stdlib_module_names:
        return None
    if _is_checkout() and sys.prefix == sys.base_prefix:  # no environment at all: ours is not activated
        made = (ROOT / ".venv" / "bin" / "activate").exists()
        there = "" if Path.cwd() == ROOT else f"{ROOT}/"
        activate = f"source {there}.venv/bin/activate"
        return f"no package '{name}' here: {activate}" + ("" if made else ", once `make setup` has made it")
    extra = "" if name in CORE else EXTRAS.get(name, EXTRA_OF.get(package.partition(".")[0], ""))
    ours = "every command needs it" if name in CORE else "the environment of the checkout has it"
    brought = f"the extra '{extra}' brings it" if extra else ours
    return f"no package '{name}' here; {brought}: {how_to_install(extra)}"


def tell_missing(package: str) -> None:
    """Report a failed import in one line, too, where it happens before `main`, in what `python -m` was asked to run.

    Called by the `__init__.py` of our packages, which Python runs before the module itself.
    """
    if sys.argv[:1] == ["-m"]:  # which stands there only while Python looks for the module that it runs
        sys.excepthook = _hook(package, sys.excepthook)


Hook = Callable[[type[BaseException], BaseException, TracebackType | None], object]


def _hook(package: str, before: Hook) -> Hook:
    def told(kind: type[BaseException], error: BaseException, trace: TracebackType | None) -> None:
        line = None if os.environ.get("WIKILM_TRACEBACK") == "1" else explain(error, package)
        if line is None:
            before(kind, error, trace)
        else:
            asked = sys.orig_argv[sys.orig_argv.index("-m") + 1]
            print(f"python -m {asked}: error: {line}", file=sys.stderr)

    return told


def _is_checkout() -> bool:
    return (ROOT / "pyproject.toml").is_file()
