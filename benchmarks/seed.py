"""Run the whole `seed` preset on one GPU, and put the tutorial's figures beside ours.

    python -m benchmarks.seed --source enwiki-...-multistream.xml.bz2 --vocabulary gpt2 --work /tmp/seed > docs/seed.md

Runs every stage of the preset with the project's own commands and prints a Markdown page: the training curve, and each
figure beside that of the tutorial which this project grew out of (50 articles, 100 epochs, GPT-2 124M from scratch).
Where there is no GPU, `--config launch/cpu.yaml --max-steps 10` shows that all of it runs.
"""

import argparse
import json
import subprocess
import sys
from pathlib import Path
from typing import Any

ROOT = Path(__file__).parents[1]
# Figures of the tutorial: step -> training loss, step -> validation loss, and the rest.
TUTORIAL_LOSS = {500: 4.52, 1000: 0.96}
TUTORIAL_MEAN_LOSS, TUTORIAL_SECONDS = 2.34, 8230
TUTORIAL_VALIDATION = (8.9, 9.3, 9.31)


def main() -> None:
    """Run the preset and print the page."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--source", required=True, help="dump or Parquet to take the 50 and 50 articles from")
    parser.add_argument("--vocabulary", default="gpt2", help="GPT-2's tokenizer: a folder, or its name on the hub")
    parser.add_argument("--work", type=Path, required=True, help="folder for all that is made")
    parser.add_argument("--config", default="launch/gpu.yaml", help="accelerate configuration")
    parser.add_argument("--max-steps", type=int, help="stop training early, and validate and recite few rows")
    args = parser.parse_args()
    args.work.mkdir(parents=True, exist_ok=True)
    params = args.work / "params.yaml"
    given = [f"source.path={args.source}", f"tokenizer.pretrained={args.vocabulary}"]
    if args.max_steps:  # a look at whether it runs, perhaps on a CPU: a few rows show that, too
        given += ["pretrain.causal.validation_rows=32", "recitation.rows=8"]
    params.unlink(missing_ok=True)
    chosen = ["-m", "wikilm", "preset", "seed", *given, "--params", str(params)]
    subprocess.run([sys.executable, *chosen], cwd=ROOT, stdout=subprocess.DEVNULL, check=True)
    print(page(run_stages(args, params)))


def run_stages(args: argparse.Namespace, params: Path) -> dict[str, Any]:
    """Run pipeline, training and recitation; return what their JSON says."""
    tokenizer, shards, model = args.work / "tokenizer", args.work / "shards", args.work / "causal"
    common = ["--params", str(params)]
    stage("pipeline.tokenizer", "--output", tokenizer, *common)
    made = stage("pipeline", "--tokenizer", tokenizer, "--output", shards, *common)
    launch = ["-m", "accelerate.commands.launch", "--quiet", "--config_file", args.config]
    steps = ["--max-steps", str(args.max_steps)] if args.max_steps else []
    trained = stage(
        "train", "--objective", "causal", "--shards", shards, "--tokenizer", tokenizer,
        "--output", model, *common, *steps, launch=launch,
    )  # fmt: skip
    recited = stage("probes", "recite", "--model", model, "--shards", shards, "--json", *common, whole=True)
    history = json.loads((model / "training.json").read_text())
    return {"shards": made, "trained": trained, "recited": recited, "training": history}


def stage(module: str, *words: object, launch: list[str] | None = None, whole: bool = False) -> dict[str, Any]:
    """Run `python -m module words...`, its progress shown; return its JSON (the last line, or the whole output)."""
    command = [sys.executable, *(launch or []), "-m", module, *map(str, words)]
    done = subprocess.run(command, cwd=ROOT, stdout=subprocess.PIPE, text=True, check=False)
    if done.returncode:
        sys.exit(f"{' '.join(command)}: exit status {done.returncode}")
    return json.loads(done.stdout if whole else done.stdout.strip().splitlines()[-1])


def page(figures: dict[str, Any]) -> str:
    """The Markdown page: figures only, none of the articles' text."""
    training, trained, recited = figures["training"], figures["trained"], figures["recited"]
    history = training["history"]
    validation = [point["validation_loss"] for point in history if "validation_loss" in point]
    rows = [
        *((f"training loss at step {step}", loss, loss_at(history, step)) for step, loss in TUTORIAL_LOSS.items()),
        ("training loss, mean", TUTORIAL_MEAN_LOSS, training["mean_loss"]),
        ("validation loss, first", TUTORIAL_VALIDATION[0], validation[0]),
        ("validation loss, at the end", TUTORIAL_VALIDATION[-1], validation[-1]),
        ("seconds", TUTORIAL_SECONDS, trained["seconds"]),
    ]
    shards = figures["shards"]
    head = [
        "# The tutorial, run again",
        "",
        f"{shards['train_articles']} training and {shards['validation_articles']} validation articles, "
        f"{shards['train_chunks']} and {shards['validation_chunks']} chunks, {training['steps']} steps.",
        "",
        "| figure | tutorial | here |",
        "|---|---|---|",
    ]
    lines = "\n".join(
        [
            *head,
            *(
                f"| {name} | {theirs} | {'not reached' if ours is None else round(ours, 3)} |"
                for name, theirs, ours in rows
            ),
            "",
            "Recitation, 16 tokens after 16:",
            "",
            *(
                f"- {split}: {recited['metrics'][f'{split}_tokens']:.1%} of the tokens, "
                f"{recited['metrics'][f'{split}_whole']:.1%} of the continuations whole"
                for split in ("train", "validation")
            ),
            "",
            "| step | training loss | validation loss |",
            "|---|---|---|",
            *(
                f"| {point['step']} | {loss_at(history, point['step'])} | {point['validation_loss']:.3f} |"
                for point in history
                if "validation_loss" in point
            ),
        ]
    )
    return lines.replace("| None |", "| not reached |")


def loss_at(history: list[dict[str, Any]], step: int) -> float | None:
    """The training loss logged at a step, or last before it; None before the first."""
    losses = [point["loss"] for point in history if "loss" in point and point["step"] <= step]
    return round(losses[-1], 3) if losses and history[-1]["step"] >= step else None


if __name__ == "__main__":
    main()
