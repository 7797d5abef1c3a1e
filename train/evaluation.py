"""Evaluate a model on the validation rows, by the processes that were started, and train and write nothing."""

import json
import math
from pathlib import Path
from typing import Any

from accelerate import Accelerator
from transformers import PreTrainedModel

from train.hosts.memory import exhaustion_told
from train.hosts.processes import joined
from train.hosts.sharding import asked_sharding
from train.hosts.start import start_accelerator
from train.loop import Training
from train.model import CONFIGS, SummedLoss, filled, read_weights, refuse_untied
from train.plan import FAMILIES, Plan, holds_a_model
from train.progress import Point, Validation
from train.rows import Feed
from train.run import check_shards
from train.runs import saved_steps
from wikilm.errors import RunError, UsageError, reason
from wikilm.model_folder import SAID, TRAINING, read_config
from wikilm.pretrained import weights_of

LESS_MEMORY = "raise gradient_accumulation, which takes fewer rows at a time"


def evaluate(plan: Plan) -> None:
    """Print, as one line of JSON, the figures of the model in the output, or of its run's newest checkpoint.

    Raises:
        UsageError: there is neither, or a model of another kind, vocabulary or context.
        RunError: damaged shards; another process died.
    """
    accelerator = start_accelerator(plan, trackers=[])
    with joined(accelerator, plan), exhaustion_told(plan.told_settings, LESS_MEMORY):
        check_shards(accelerator, plan, ("validation",))
        if holds_a_model(plan.output):
            found = of_folder(accelerator, plan)
        elif saved_steps(plan.run):
            found = of_checkpoint(accelerator, plan)
        else:
            raise UsageError(
                f"--evaluate: no model at {plan.output}, and no checkpoint of a run with these settings in "
                f"{plan.run.parent}; name the --output of a training, and its --params"
            )
        if not math.isfinite(found["validation_loss"]):
            raise RunError(f"{found['model']}: gives a loss of {found['validation_loss']}: the model is broken")
        if accelerator.is_main_process:
            print(json.dumps({"objective": plan.objective, **found}), flush=True)
        accelerator.wait_for_everyone()


def of_folder(accelerator: Accelerator, plan: Plan) -> Point:
    """Return the figures of the model in the output folder."""
    model = load(plan)
    model.to(accelerator.device)
    feed = Feed(plan, accelerator.process_index, accelerator.num_processes, accelerator.device)
    loss = accelerator.prepare_model(SummedLoss(model, plan.objective, left_out=plan.left_out), evaluation_mode=True)
    point = Validation(plan, accelerator, feed).point(accelerator.unwrap_model(loss, keep_fp32_wrapper=True))
    return {"model": str(plan.output), "step": steps_of(plan.output), **point}


def of_checkpoint(accelerator: Accelerator, plan: Plan) -> Point:
    """Return the figures of the newest checkpoint.

    Raises:
        RunError: all of them are damaged.
    """
    training = Training(plan, accelerator, asked_sharding())
    if not training.progress.step:
        raise RunError(f"{plan.run}: no checkpoint there is whole; give the command of the training again")
    return {"model": str(plan.run), "step": training.progress.step, **training.validation_point()}


def load(plan: Plan) -> PreTrainedModel:
    """Load the model in the output folder, which must be of this objective and read these rows.

    Raises:
        UsageError: it is not.
        RunError: its files are missing, damaged, or not to be trusted.
    """
    folder, manifest = plan.output, plan.manifest
    weights, content = weights_of(str(folder), folder), read_config(str(folder), folder)
    family = content["model_type"]
    if family not in FAMILIES[plan.objective]:
        raise UsageError(
            f"{folder}: a model of type {family}; {plan.objective} are {', '.join(FAMILIES[plan.objective])}"
        )
    try:
        config = CONFIGS[family].from_dict(content)
        entries, positions = int(config.vocab_size), int(config.max_position_embeddings)
    except Exception as error:  # a folder is input like any other, and what it can raise is not documented
        raise RunError(f"{folder}: its config.json is not understood: {reason(error)[:SAID]}") from None
    if entries != manifest.tokenizer.vocab_size or positions < manifest.chunk_tokens:
        raise UsageError(
            f"{folder}: a model of {entries} entries and {positions} positions, but {plan.shards.path} has "
            f"{manifest.tokenizer.vocab_size} entries and rows of {manifest.chunk_tokens} tokens; name what fits"
        )
    read = read_weights(str(folder), weights.files)
    refuse_untied(str(folder), config, read)
    return filled(str(folder), family, config, weights, read)


def steps_of(folder: Path) -> int | None:
    """Return the steps that a model of ours was trained for; None where it does not say."""
    try:
        record: Any = json.loads((folder / TRAINING).read_text(encoding="utf-8"))
        return int(record["steps"])
    except (OSError, ValueError, KeyError, TypeError):
        return None
