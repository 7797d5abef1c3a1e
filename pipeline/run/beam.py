"""Choose a Beam runner, and run a graph to its end; if it fails, say why in one line."""

import copy
import gc
import os
import re
from collections.abc import Callable, Sequence
from typing import Any

import apache_beam as beam
from apache_beam.options.pipeline_options import DirectOptions, PipelineOptions, StandardOptions, _BeamArgumentParser
from apache_beam.runners.portability.fn_api_runner import FnApiRunner
from apache_beam.runners.runner import create_runner

from pipeline.run.quiet import quiet
from pipeline.run.worker_process import WorkerProcess
from pipeline.storage import loopback_direct
from pipeline.unit import marked_reason
from wikilm.cores import cores
from wikilm.errors import RunError, UsageError

# What is left of Ctrl-C in the middle of a step, once Beam has wrapped it.
INTERRUPTED = re.compile(r"(RuntimeError: )?KeyboardInterrupt( \[while running .*)?$")
# Named in full, since `DirectRunner` first tries to download another runner (Prism).
LOCAL = "apache_beam.runners.portability.fn_api_runner.FnApiRunner"

CHOOSE, ALL_CORES = "choose", 0  # a running mode and a number of workers that the user has left to us
# Stored bytes that one worker does while others start, which must save more than that. Processes are 7 s behind, for
# Beam, numba and the tokenizer, in which a core cleans 20 MB of a dump in bz2; threads half a second, 25 MB of Parquet.
START_DUMP, START_PARQUET = 20_000_000, 25_000_000
# Above that many threads the Python between Arrow and gigatoken, a quarter of the time, is what they wait for; there
# processes are better, once the source lasts longer than they take to start.
MAX_THREADS, LARGE_PARQUET = 4, 2_000_000_000


def beam_options(arguments: Sequence[str]) -> PipelineOptions:
    """Beam's own options from what is left of a command line; without --runner, this machine's FnApiRunner.

    Raises:
        UsageError: Beam knows no such option, or no such value of it.
    """
    parser = _Parser(allow_abbrev=False)
    for options in PipelineOptions.__subclasses__():
        options._add_argparse_args(parser)
    parser.set_defaults(direct_running_mode=CHOOSE, direct_num_workers=ALL_CORES)
    known, unknown = parser.parse_known_args(list(arguments))
    runner = known.runner or LOCAL
    # A job server may know more options than this side does (Flink's --parallelism). They have no hyphens; ours do.
    remote = runner != LOCAL and "directrunner" not in runner.lower()
    strange = [argument for argument in unknown if not remote or "-" in argument.split("=")[0].removeprefix("--")]
    if strange:
        raise UsageError(f"{strange[0].split('=')[0]}: neither wikilm nor Beam has such an option (see --help)")
    result = PipelineOptions(list(arguments))
    result.view_as(StandardOptions).runner = runner
    if runner == LOCAL:
        direct = result.view_as(DirectOptions)
        direct.direct_running_mode, direct.direct_num_workers = known.direct_running_mode, known.direct_num_workers
    return result


def for_source(options: PipelineOptions, is_wikitext: bool, unit_bytes: Sequence[int]) -> PipelineOptions:
    """Choose how this machine's runner works where the user has not: the mode, and the number of workers.

    Wikitext takes processes, since it is cleaned by Python code, of which one thread at a time can run; plain text
    takes threads, since almost all of its time goes by in Arrow and gigatoken, which let other threads run.

    Args:
        options: from `beam_options`; they stay as they are.
        is_wikitext: whether texts need cleaning.
        unit_bytes: stored bytes of each work unit.

    Returns:
        Others, or the same where the runner is another one.
    """
    if options.view_as(StandardOptions).runner != LOCAL:
        return options
    options = copy.deepcopy(options)
    direct = options.view_as(DirectOptions)
    mode, workers = direct.direct_running_mode, direct.direct_num_workers
    if workers == ALL_CORES:
        workers = 1 if mode == "in_memory" else max(1, min(cores(), len(unit_bytes)))
    if mode == CHOOSE:
        size, busy = sum(unit_bytes), max(1, min(workers, len(unit_bytes)))
        if size - size / busy < (START_DUMP if is_wikitext else START_PARQUET):
            mode, workers = "in_memory", 1
        elif is_wikitext or (workers > MAX_THREADS and size >= LARGE_PARQUET):
            mode = "multi_processing"
        else:
            mode, workers = "multi_threading", min(workers, MAX_THREADS)
    direct.direct_running_mode, direct.direct_num_workers = mode, workers
    return options


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
    os.environ.update(loopback_direct(os.environ))
    with quiet():
        try:
            runner = _local_runner(options) if name == LOCAL else create_runner(name)
        except (ValueError, ImportError, AttributeError) as error:
            raise UsageError(f"--runner {name}: Beam has no such runner: {' '.join(str(error).split())}") from None
        pipeline = beam.Pipeline(runner=runner, options=options)
        build(pipeline)
        gc.freeze()  # or else full collections look through all modules again and again: 8 % of the CPU time of a dump
        try:
            state = pipeline.run().wait_until_finish()
        except OSError:
            raise
        except Exception as error:
            if INTERRUPTED.match((str(error).strip().splitlines() or [""])[-1].strip()):
                raise KeyboardInterrupt from error
            raise RunError(_reason(error)) from error
    if state not in (None, beam.runners.runner.PipelineState.DONE):
        raise RunError(f"the Beam job ended in state {state}; its runner's log says why")


def _local_runner(options: PipelineOptions) -> FnApiRunner:
    """This machine's runner; its worker processes, where --direct_running_mode asks for some, are our quiet ones."""
    direct = options.view_as(DirectOptions)
    if direct.direct_running_mode == CHOOSE:  # nobody knows the source
        direct.direct_running_mode, direct.direct_num_workers = "in_memory", 1
    if direct.direct_running_mode != "multi_processing":
        return FnApiRunner()
    direct.direct_running_mode = "in_memory"  # or else the runner would start Beam's own, which log to our stderr
    return FnApiRunner(default_environment=WorkerProcess())


class _Parser(_BeamArgumentParser):
    """Beam's argument parser, whose complaints are ours."""

    def error(self, message: str) -> Any:
        raise UsageError(f"{message} (see --help)")


def _reason(error: Exception) -> str:
    """Find the reason that a step gave in all that Beam wraps around it, or else the last line of Beam's own error."""
    text = str(error)
    if (marked := marked_reason(text)) is not None:
        return marked
    lines = [line.strip() for line in text.splitlines() if line.strip()]
    return f"Beam failed: {type(error).__name__}: {lines[-1][:300] if lines else 'no reason given'}"
