"""Beam options and a graph in, the graph run out, or one line that says why not."""

from collections.abc import Callable, Sequence
from typing import Any

import apache_beam as beam
from apache_beam.options.pipeline_options import DirectOptions, PipelineOptions, StandardOptions, _BeamArgumentParser
from apache_beam.runners.portability.fn_api_runner import FnApiRunner
from apache_beam.runners.runner import create_runner

from pipeline.command import RunError, UsageError
from pipeline.flow import told_reason
from pipeline.quiet import quiet
from pipeline.worker_process import WorkerProcess

# Named in full, since `DirectRunner` first tries to download another runner (Prism).
LOCAL = "apache_beam.runners.portability.fn_api_runner.FnApiRunner"


def beam_options(arguments: Sequence[str]) -> PipelineOptions:
    """Beam's own options from what is left of a command line; without --runner, this machine's FnApiRunner.

    Raises:
        UsageError: Beam knows no such option, or no such value of it.
    """
    parser = _Parser(allow_abbrev=False)
    for options in PipelineOptions.__subclasses__():
        options._add_argparse_args(parser)
    known, unknown = parser.parse_known_args(list(arguments))
    runner = known.runner or LOCAL
    # A job server may know more options than this side does (Flink's --parallelism). They have no hyphens; ours do.
    remote = runner != LOCAL and "directrunner" not in runner.lower()
    strange = [argument for argument in unknown if not remote or "-" in argument.split("=")[0].removeprefix("--")]
    if strange:
        raise UsageError(f"{strange[0].split('=')[0]}: neither wikilm nor Beam has such an option (see --help)")
    result = PipelineOptions(list(arguments))
    result.view_as(StandardOptions).runner = runner
    return result


def run_graph(build: Callable[[beam.Pipeline], Any], options: PipelineOptions) -> None:
    """Run a graph to its end.

    Args:
        build: adds the steps to a pipeline.
        options: from `beam_options`.

    Raises:
        UsageError: there is no such runner.
        RunError: a step failed; its own reason where it gave one.
    """
    name = options.view_as(StandardOptions).runner
    with quiet():
        try:
            runner = _local_runner(options) if name == LOCAL else create_runner(name)
        except (ValueError, ImportError, AttributeError) as error:
            raise UsageError(f"--runner {name}: Beam has no such runner: {' '.join(str(error).split())}") from None
        pipeline = beam.Pipeline(runner=runner, options=options)
        build(pipeline)
        try:
            state = pipeline.run().wait_until_finish()
        except OSError:
            raise
        except Exception as error:
            raise RunError(_reason(error)) from error
    if state not in (None, beam.runners.runner.PipelineState.DONE):
        raise RunError(f"the Beam job ended in state {state}; its runner's log says why")


def _local_runner(options: PipelineOptions) -> FnApiRunner:
    """This machine's runner; its worker processes, where --direct_running_mode asks for some, are our quiet ones."""
    direct = options.view_as(DirectOptions)
    if direct.direct_running_mode != "multi_processing":
        return FnApiRunner()
    direct.direct_running_mode = "in_memory"  # or else the runner would start Beam's own, which log to our stderr
    return FnApiRunner(default_environment=WorkerProcess())


class _Parser(_BeamArgumentParser):
    """Beam's argument parser, whose complaints are ours."""

    def error(self, message: str) -> Any:
        raise UsageError(f"{message} (see --help)")


def _reason(error: Exception) -> str:
    """The reason that a step gave, out of all that Beam wraps around it; else the last line of Beam's own."""
    text = str(error)
    if (told := told_reason(text)) is not None:
        return told
    lines = [line.strip() for line in text.splitlines() if line.strip()]
    return f"Beam failed: {type(error).__name__}: {lines[-1][:300] if lines else 'no reason given'}"
