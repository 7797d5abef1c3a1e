"""The command `wikilm`: it leads to every command of the packages, says what holds, and what is missing."""

import importlib
import os
import re
import subprocess
import sys
import sysconfig
from pathlib import Path

import pytest

import wikilm
from tests.helpers import ROOT
from wikilm.__main__ import main
from wikilm.cli import Parser, program, run
from wikilm.commands import COMMANDS, as_typed
from wikilm.errors import RunError, UsageError
from wikilm.missing import CORE, explain, how_to_install

NAMES = [command.name for command in COMMANDS]


def wikilm_command(*words: str, folder: Path = ROOT, python: str = sys.executable, **environment: str):
    """What a user gets, in a process of its own."""
    return subprocess.run(
        [python, *words], cwd=folder, capture_output=True, text=True, env=os.environ | environment, check=False
    )


def test_help_shows_every_command_and_the_way_of_the_data(capsys):
    for words in (["--help"], ["-h"], ["help"]):
        assert main(words) == 0
        out = capsys.readouterr().out
        assert "source -> articles -> clean text -> tokens" in out
        assert [name for name in NAMES if re.search(rf"^  {name} ", out, re.MULTILINE)] == NAMES
        assert max(map(len, out.splitlines())) <= 120
    assert main([]) == 2


def test_help_takes_less_than_a_second_of_cpu_and_imports_no_library():
    code = (
        "import sys, time; from wikilm.__main__ import main; main(['--help'])\n"
        "print(time.process_time()); print(*sys.modules)"
    )
    *_, seconds, modules = wikilm_command("-c", code).stdout.splitlines()
    assert float(seconds) < 1
    assert {name.partition(".")[0] for name in modules.split()}.isdisjoint({"pydantic", "ruamel", "pyarrow", "numpy"})


def test_the_version_is_found_without_metadata(tmp_path):
    (tmp_path / "wikilm").symlink_to(ROOT / "wikilm")
    for words in (["--version"], ["-V"]):
        found = wikilm_command("-S", "-m", "wikilm", *words, folder=tmp_path)
        assert found.stdout == f"wikilm {wikilm.__version__}\n", found.stderr


@pytest.mark.parametrize(("typed", "told"), [("prepocess", "'preprocess'"), ("verfy", "'verify'"), ("x", "--help")])
def test_an_unknown_command_is_told_in_one_line_with_the_nearest_one(typed, told, capsys):
    assert main([typed]) == 2
    error = capsys.readouterr().err
    assert error.startswith(f"wikilm: error: '{typed}': no such command; ")
    assert told in error
    assert error.count("\n") == 1


@pytest.mark.parametrize("command", COMMANDS, ids=NAMES)
def test_each_command_is_the_same_by_both_names(command, capsys, monkeypatch):
    """Help and wrong usage: the same texts, each with the name that was typed."""
    module = importlib.import_module(command.module)
    monkeypatch.chdir(ROOT)
    long = f"python -m {command.module.removesuffix('.__main__')}"
    assert long == module.PROGRAM

    def said(call, *words):
        try:
            status = call(list(words))
        except SystemExit as stop:
            status = stop.code
        return status, *capsys.readouterr()

    monkeypatch.setenv("COLUMNS", "300")
    status, by_name, _ = said(main, command.name, "--help")
    assert (status, "python -m" in by_name) == (0, False)
    assert by_name.startswith(f"usage: wikilm {command.name} ")
    _, by_module, _ = said(lambda words: run(module.main, long, words), "--help")
    assert as_typed(by_module).split() == by_name.split(), "but for how the usage is laid out"
    assert said(main, command.name, "--no-such-flag")[2].startswith(f"wikilm {command.name}: error: ")
    assert said(lambda words: run(module.main, long, words), "--no-such-flag")[2].startswith(f"{long}: error: ")


def test_an_error_names_the_commands_as_the_user_typed_this_one(capsys):
    def stop(_argv):
        raise RunError("run python -m pipeline, then python -m pipeline.verify x")

    run(stop, "wikilm show")
    assert capsys.readouterr().err.endswith("error: run wikilm preprocess, then wikilm verify x\n")
    run(stop, "python -m pipeline.show")
    assert "run python -m pipeline, then" in capsys.readouterr().err
    assert program("none") == "none"


@pytest.mark.parametrize("error", [RunError("cut"), UsageError("--take: two counts")])
def test_of_several_processes_the_first_alone_tells_of_wrong_usage(error, monkeypatch, capsys):
    def stop(_argv):
        raise error

    monkeypatch.setenv("RANK", "3")
    assert run(stop, "wikilm train") == error.exit_status
    told = capsys.readouterr().err
    assert told == ("" if isinstance(error, UsageError) else "wikilm train: process 3: error: cut\n")


def shown(text: str, folder: Path, *words: str) -> str:
    """The help of a parser with one flag of section `shards`, where params.yaml holds a text."""
    (folder / "params.yaml").write_text(text, encoding="utf-8")
    parser = Parser(prog="wikilm")
    parser.add_params()
    parser.defaults_from("shards", rows="max_dead_fraction")
    for flag in ("--chunk-tokens", "--chunking", "--rows"):
        parser.add_argument(flag, help="100 % of it")
    with pytest.raises(SystemExit):
        parser.parse_args([*words, "--help"])
    return text


SHARDS = "shards: {chunk_tokens: 64, chunking: document, max_dead_fraction: 0.5}\n"


def test_help_shows_the_value_that_holds_and_where_it_comes_from(tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("COLUMNS", "200")
    shown(SHARDS, tmp_path)
    out = capsys.readouterr().out
    for value in ("64", "document", "0.5"):
        assert f"100 % of it (params.yaml: {value})" in out
    (tmp_path / "other.yaml").write_text(SHARDS.replace("64", "32"))
    shown(SHARDS, tmp_path, "--params", "other.yaml")
    assert "100 % of it (other.yaml: 32)" in capsys.readouterr().out


@pytest.mark.parametrize("text", ["shards: [", "shards: 3", "other: {}", "- 1", "shards: {chunk_tokens: x}", "\x00"])
def test_a_broken_params_file_breaks_no_help(text, tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("COLUMNS", "200")
    shown(text, tmp_path)
    assert "100 % of it (params.yaml: not valid)" in capsys.readouterr().out


@pytest.mark.parametrize("name", ["preprocess", "tokenizer", "show", "probe"])
def test_the_help_of_a_command_without_a_params_file_shows_what_is_built_in(name, tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("COLUMNS", "200")
    with pytest.raises(SystemExit):
        main([name, *(["recite"] if name == "probe" else []), "--help"])
    out = capsys.readouterr().out
    assert "(built in: " in out
    assert "(params.yaml: " not in out


PYTHON = Path(sys._base_executable).resolve()  # without our environment; -S keeps its own packages out
STARTS = ["pipeline", "pipeline.tokenizer", "pipeline.show", "pipeline.verify", "pipeline.locate", "train", "probes"]
NEEDS = [f"wikilm {name}" for name in NAMES if name not in ("runs", "verify-model")]  # which need no package at all
OF_THE_CHECKOUT = ["launch.flink", "launch.flink.two_hosts", "benchmarks.clean_text", "tests.flows.chaos"]


@pytest.mark.parametrize("module", [*STARTS, *OF_THE_CHECKOUT, *NEEDS])
def test_a_python_without_our_environment_is_told_how_to_activate_it(module):
    flags = {"locate": ["--row", "0"], "launch": ["-m", "train"]}.get(re.split(r"[. ]", module)[-1], ["--help"])
    found = wikilm_command("-S", "-m", *module.split(), *flags, python=str(PYTHON))
    assert found.returncode == 1
    assert found.stdout == ""
    name = module if " " in module else f"python -m {module}"
    told = r": error: no package '\w+' here: source \.venv/bin/activate(, once `make setup` has made it)?\n"
    assert re.fullmatch(re.escape(name) + told, found.stderr), found.stderr


def core_only(folder: Path) -> str:
    """The python of an environment that has what every command needs, and no extra."""
    subprocess.run([PYTHON, "-m", "venv", "--without-pip", folder / "venv"], check=True)
    site = Path(sysconfig.get_path("purelib", vars={"base": str(folder / "venv")}))
    ours = Path(sysconfig.get_path("purelib"))
    for name in (*CORE, "numpy", "numpy.libs", "typing_extensions.py", "typing_inspection"):
        if (ours / name).exists():
            (site / name).symlink_to(ours / name)
    return str(folder / "venv" / "bin" / "python")


def test_a_missing_extra_is_named_in_one_line_with_the_command_that_brings_it(tmp_path):
    python = core_only(tmp_path)
    start = "from wikilm.cli import run; exit(run(lambda _: __import__('train.run'), 'x', [], module='train'))"
    for words, extra in (
        (["-m", "pipeline.tokenizer", "--help"], "pipeline"),
        (["-c", start], "train"),
        (["-m", "probes", "anatomy", "--model", "x"], "probes"),
        (["-m", "wikilm", "probe", "anatomy", "--model", "x"], "probes"),
    ):
        found = wikilm_command(*words, python=python)
        assert (found.returncode, found.stdout) == (1, ""), words
        assert re.search(rf"error: no package '\w+' here; the extra '{extra}' brings it: make setup", found.stderr)
        assert found.stderr.count("\n") == 1
    assert wikilm_command("-m", "wikilm", "preset", python=python).returncode == 0


def test_a_fault_of_our_own_in_an_import_keeps_its_traceback():
    for name in ("wikilm.nothing", "pipeline.nothing", "json.nothing", None):
        assert explain(ModuleNotFoundError("x", name=name), "pipeline") is None
    assert explain(ImportError("x", name="torch"), "train") is None

    def stop(_argv):
        raise ModuleNotFoundError("No module named 'wikilm.nothing'", name="wikilm.nothing")

    with pytest.raises(ModuleNotFoundError):
        run(stop, "wikilm show")


def test_a_package_is_named_by_its_extra():
    assert "the extra 'explore' brings it" in explain(ModuleNotFoundError("x", name="aiohttp"), "probes.__main__")
    assert "the extra 's3' brings it" in explain(ModuleNotFoundError("x", name="s3fs"), "pipeline.run.job")
    assert "the extra 'versions' brings it" in explain(ModuleNotFoundError("x", name="dvclive.live"), "train")


def test_no_hint_names_a_package_of_ours_on_a_registry(monkeypatch, tmp_path):
    monkeypatch.setattr("wikilm.missing.ROOT", tmp_path)  # no checkout: installed from a wheel
    assert how_to_install("train") == f"pip install './wikilm-{wikilm.__version__}-py3-none-any.whl[train]'"
    files = subprocess.run(["git", "ls-files", "-z"], cwd=ROOT, capture_output=True, text=True, check=True).stdout
    for name in filter(None, files.split("\0")):
        if name.endswith((".py", ".md", ".yaml", ".toml", "Makefile", ".options")) and (ROOT / name).is_file():
            text = (ROOT / name).read_text(encoding="utf-8")
            assert not re.search(r"""pip install (-\S+ )*['"]?wikilm\b(?!-)""", text), name
