"""List the sub-commands of `wikilm`, in the order of the data."""

import re
from typing import NamedTuple


class Command(NamedTuple):
    """A sub-command: the module whose `main` it calls, and what it is for."""

    name: str
    module: str
    purpose: str


COMMANDS = (
    Command(
        "repro", "wikilm.repro", "run all stages of dvc.yaml whose inputs have changed, from the source to the report"
    ),
    Command("preset", "wikilm.preset", "choose what params.yaml says: a preset, or single values"),
    Command("tokenizer", "pipeline.tokenizer", "train a tokenizer on the training articles of a source"),
    Command("preprocess", "pipeline.__main__", "make Arrow shards of token rows out of a source"),
    Command("show", "pipeline.show", "follow one article through the pipeline"),
    Command("locate", "pipeline.locate", "name the articles that a row of the shards comes from"),
    Command("verify", "pipeline.verify", "check shards, byte for byte, against their manifest"),
    Command("train", "train.__main__", "pretrain a GPT-2, Llama or BERT on shards"),
    Command("launch", "train.launch", "start a training by an accelerate configuration, and end all of it as one"),
    Command("runs", "train.runs", "list the checkpoints that trainings have left behind, and remove them"),
    Command(
        "prove-resume",
        "train.prove_resume",
        "kill trainings, let them go on, and compare every loss with undisturbed ones",
    ),
    Command("verify-model", "train.verify", "check trained models, byte for byte, against the sums written with them"),
    Command("probe", "probes.__main__", "ask a model what it knows, or report on all of it"),
)


def as_typed(text: str) -> str:
    """Return a text that says `python -m pipeline.show`, with `wikilm show` instead."""
    names = {command.module.removesuffix(".__main__"): command.name for command in COMMANDS}

    def name(found: re.Match[str]) -> str:
        return f"wikilm {names[found[1]]}" if found[1] in names else found[0]

    return re.sub(r"python -m ([a-z_]+(?:\.[a-z_]+)*)", name, text)
