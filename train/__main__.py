"""Run the command `python -m train`, which pretrains a language model on shards."""

import argparse
import os
import re
import sys
from collections.abc import Sequence
from pathlib import Path

from train.hosts.processes import end_with_starters, interruptible
from train.settings import OBJECTIVES
from wikilm.cli import Parser, positive, program, run

os.environ.setdefault("TRANSFORMERS_NO_ADVISORY_WARNINGS", "1")  # that PyTorch is missing, which is told in one line
PROGRAM = "python -m train"
EPILOG = """examples:
  python -m train --objective causal --shards data/shards --tokenizer data/tokenizer --output models/causal
  python -m train --objective causal ... --validation simple=data/simple --evaluate
  python -m train.launch --config_file launch/multi-gpu.yaml -m train --objective masked ...

The model's shape, the optimizer and the schedule are in params.yaml, section pretrain.causal or pretrain.masked; so are
keep_every_steps (weights for probes, in OUTPUT/steps), early_stopping, exposures and trackers. OUTPUT/best has the
weights of the lowest validation loss. docs/training.md has more.
Give the same command again (without --fresh) to resume an interrupted run from its newest whole checkpoint. How often
something is told, validated, sampled, kept or saved may change in between; settings or shards that change the numbers
make another run, which --fresh begins. python -m train.runs lists and removes what was left behind. The last line on
stdout is a JSON object.

The bar tells tokens/s, the share of a GPU's peak that is used (MFU), the share of the time spent waiting for rows, and
the most memory held. The first three steps of a session, in which a model may be compiled, count for none of these
speeds; the last line says so as warm_up_steps.

Exit status: 0 done, 1 the run failed, 2 wrong usage; 143, 130 or 129 stopped by SIGTERM, Ctrl-C or SIGHUP, after saving
a checkpoint. A second Ctrl-C ends it at once. A signal after the last step changes nothing: 0. python -m train.launch
ends with the same. accelerate launch makes 1 of all of these and adds tracebacks of its own; when it is killed, the
training saves a checkpoint and ends.
"""


def parse(argv: Sequence[str] | None) -> argparse.Namespace:
    """Return the command line."""
    parser = Parser(
        prog=program(PROGRAM),
        description="Pretrain GPT-2 or Llama (causal) or BERT (masked) on shards of token ids.",
        epilog=EPILOG,
    )
    add = parser.add_argument
    add("--objective", required=True, choices=OBJECTIVES, help="causal: predict the next token; masked: fill in masks")
    add("--shards", required=True, type=Path, metavar="DIR", help="what python -m pipeline wrote")
    add("--tokenizer", required=True, type=Path, metavar="DIR", help="the tokenizer that made the shards")
    add("--output", required=True, type=Path, metavar="DIR", help="the finished model, as from_pretrained loads it")
    parser.add_params()
    add("--max-steps", type=positive, metavar="N", help="stop early; the schedule stays that of the planned steps")
    add("--runs", type=Path, metavar="DIR", help="checkpoints to resume from (default: runs/NAME beside --output)")
    add("--fresh", action="store_true", help="begin anew, also where an unfinished run could be resumed")
    add(
        "--keep-run", action="store_true", help="keep a finished run's checkpoints, so that more epochs go on from them"
    )
    add(
        "--validation", action="append", default=[], type=named_folder, metavar="NAME=DIR",
        help="validate on the validation rows of these shards, too, of the same tokenizer; may be given several times",
    )  # fmt: skip
    add(
        "--evaluate", action="store_true",
        help="train and write nothing: print loss, perplexity and bits per byte of the model at --output, or where "
        "there is none of its newest checkpoint",
    )  # fmt: skip
    add("--metrics", type=Path, metavar="DIR", help="curves by DVCLive (default: metrics/NAME beside --output)")
    return parser.parse_args(argv)


def named_folder(text: str) -> tuple[str, Path]:
    """Return the two parts of NAME=DIR: the `type` of an argument."""
    name, equals, folder = text.partition("=")
    if not equals or not folder or not re.fullmatch(r"\w[\w.-]*", name, re.ASCII):
        raise argparse.ArgumentTypeError(f"must be NAME=DIR, a name of letters, digits, _ . or -, got {text!r}")
    return name, Path(folder)


def main(argv: Sequence[str] | None = None) -> None:
    """Run the command.

    Raises:
        UsageError: flags, params, tokenizer or output that do not fit.
        RunError: damaged shards, a diverged loss, a full device; or a signal asked to stop.
    """
    args = parse(argv)
    end_with_starters()
    with interruptible():
        from train.plan import make_plan  # here, since --help need not wait for pyarrow

        plan = make_plan(**vars(args))
        if plan.evaluate:  # here, since torch takes seconds that a mistake in the plan need not wait for
            from train.evaluation import evaluate

            evaluate(plan)
        else:
            from train.run import train

            train(plan)


if __name__ == "__main__":
    sys.exit(run(main, PROGRAM))
