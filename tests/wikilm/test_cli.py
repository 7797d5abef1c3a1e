"""What a user sees when a command ends: an exit status, and one line when it is not 0."""

import errno
import subprocess
import sys

import pytest

from wikilm.cli import Parser, positive, run
from wikilm.errors import RunError, UsageError


@pytest.mark.parametrize(("error", "status"), [(RunError("a.xml: cut"), 1), (UsageError("--take: two counts"), 2)])
def test_an_error_ends_in_one_line_and_its_exit_status(error, status, capsys):
    def main(_argv):
        raise error

    assert run(main, "python -m pipeline") == status
    assert capsys.readouterr().err == f"python -m pipeline: error: {error}\n"


def test_a_message_of_several_lines_is_told_in_one(capsys):
    def main(_argv):
        raise RunError("first\n  second")

    run(main, "wikilm")
    assert capsys.readouterr().err == "wikilm: error: first second\n"


def test_a_message_controls_no_terminal(capsys):
    def main(_argv):
        raise RunError("column \x1b[31mé\u202e中\x9b")

    run(main, "wikilm")
    assert capsys.readouterr().err == "wikilm: error: column ␛[31mé�中�\n"


def test_a_full_disk_is_named_as_such(capsys):
    def main(_argv):
        raise OSError(errno.ENOSPC, "No space left on device", "data/shards/x.arrow")

    assert run(main, "wikilm") == 1
    assert "no space left on the device while writing data/shards/x.arrow" in capsys.readouterr().err


def test_a_limit_of_the_system_is_no_fault_of_the_program(capsys):
    def main(_argv):
        raise RuntimeError("can't start new thread")

    assert run(main, "wikilm") == 1
    told = capsys.readouterr().err
    assert told.startswith("wikilm: error: no thread can be started")
    assert told.count("\n") == 1


def test_a_fault_of_the_program_keeps_its_traceback():
    def main(_argv):
        raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        run(main, "wikilm")


def test_wrong_usage_points_to_help(capsys):
    with pytest.raises(SystemExit) as stop:
        Parser(prog="wikilm").parse_args(["--nonsense"])
    assert stop.value.code == 2
    error = capsys.readouterr().err
    assert error.count("\n") == 1
    assert "--nonsense" in error
    assert "wikilm --help" in error


@pytest.mark.parametrize(("arguments", "flag"), [(["--output", "bad\udcff"], "--output "), (["bad\udcff"], "")])
def test_an_argument_that_is_no_text_is_refused_in_one_line(arguments, flag, capsys):
    parser = Parser(prog="train")
    parser.add_argument("--output")
    with pytest.raises(SystemExit) as stop:
        parser.parse_args(arguments)
    assert stop.value.code == 2
    assert (error := capsys.readouterr().err).startswith(f"train: error: {flag}'bad�': is not valid UTF-8 (")
    assert error.count("\n") == 1


@pytest.mark.parametrize(
    ("value", "told"), [("0", "at least 1, got 0"), ("-3", "at least 1, got -3"), ("x", "a whole number, got 'x'")]
)
def test_a_number_that_must_be_positive_is(value, told, capsys):
    parser = Parser(prog="wikilm")
    parser.add_argument("--jobs", type=positive)
    assert parser.parse_args(["--jobs", "12"]).jobs == 12
    with pytest.raises(SystemExit):
        parser.parse_args([f"--jobs={value}"])
    assert f"argument --jobs: must be {told}" in capsys.readouterr().err


def test_a_closed_stdout_is_no_error():
    script = "import sys; from wikilm.cli import run; sys.exit(run(lambda _: print('done'), 'wikilm'))"
    done = subprocess.run(["sh", "-c", '"$0" -c "$1" >&-', sys.executable, script], capture_output=True, check=False)
    assert (done.returncode, done.stderr) == (0, b"")


def test_a_library_that_no_memory_holds_is_told_in_one_line(capsys):
    def main(_):
        raise ImportError("libtorch_cpu.so: failed to map segment from shared object")

    assert run(main, "wikilm") == 1
    assert "out of memory while a library was loaded (libtorch_cpu.so" in capsys.readouterr().err


def test_a_reader_that_goes_away_is_no_error():
    script = (
        "import sys; from wikilm.cli import run\n"
        "def main(_):\n  for n in range(200000): print(n)\n"
        "sys.exit(run(main, 'wikilm'))"
    )
    with subprocess.Popen([sys.executable, "-c", script], stdout=subprocess.PIPE, stderr=subprocess.PIPE) as process:
        assert process.stdout.readline() == b"0\n"
        process.stdout.close()
        assert process.stderr.read() == b""
        assert process.wait(600) == 0
