"""Evaluate a model on the validation rows, by the processes that were started, and train and write nothing."""

import json
from pathlib import Path
from typing import Any

from accelerate import Accelerator
from transformers import AutoConfig, AutoModelForCausalLM, AutoModelForMaskedLM, PreTrainedModel

from train.curves import Point
from train.feed import Feed
from train.loop import Training
from train.loss import SummedLoss
from train.plan import Plan
from train.run import check_shards, joined, start_accelerator
from train.runs import saved_steps
from train.validation import Validation
from wikilm.errors import UsageError
from wikilm.model_folder import TRAINING

AUTO = {"causal": AutoModelForCausalLM, "masked": AutoModelForMaskedLM}
TYPES = {"causal": ("gpt2", "llama"), "masked": ("bert",)}  # of models whose loss is known here


def evaluate(plan: Plan) -> None:
    """Print, as one line of JSON, the figures of the model in the output, or of its run's newest checkpoint.

    Raises:
        UsageError: there is neither, or a model of another kind, vocabulary or context.
        RunError: damaged shards; another process died.
    """
    accelerator = start_accelerator(plan, trackers=[])
    with joined(accelerator, plan):
        check_shards(accelerator, plan, ("validation",))
        if plan.output.exists():
            found = of_folder(accelerator, plan)
        elif saved_steps(plan.run):
            found = of_checkpoint(accelerator, plan)
        else:
            raise UsageError(
                f"--evaluate: no model at {plan.output}, and no checkpoint of a run with these settings in "
                f"{plan.run.parent}; name the --output of a training, and its --params"
            )
        if accelerator.is_main_process:
            print(json.dumps({"objective": plan.objective, **found}), flush=True)
        accelerator.wait_for_everyone()


def of_folder(accelerator: Accelerator, plan: Plan) -> Point:
    """Return the figures of the model in the output folder."""
    model = load(plan)
    model.to(accelerator.device)
    feed = Feed(plan, accelerator.process_index, accelerator.num_processes, accelerator.device)
    loss = accelerator.prepare_model(SummedLoss(model, plan.objective), evaluation_mode=True)
    point = Validation(plan, accelerator, feed).point(accelerator.unwrap_model(loss, keep_fp32_wrapper=True))
    return {"model": str(plan.output), "step": steps_of(plan.output), **point}


def of_checkpoint(accelerator: Accelerator, plan: Plan) -> Point:
    """Return the figures of the newest checkpoint."""
    training = Training(plan, accelerator)
    return {"model": str(plan.run), "step": training.progress.step, **training.validation_point()}


def load(plan: Plan) -> PreTrainedModel:
    """Load the model in the output folder, which must be of this objective and read these rows.

    Raises:
        UsageError: it is not.
    """
    folder, manifest = plan.output, plan.manifest
    try:
        config = AutoConfig.from_pretrained(folder, local_files_only=True, trust_remote_code=False)
        if config.model_type not in TYPES[plan.objective]:
            raise UsageError(f"{folder}: a model of type {config.model_type}, and no {plan.objective} one of ours")
        for what, there, here in (
            ("entries in its vocabulary", config.vocab_size, manifest.tokenizer.vocab_size),
            ("positions", config.max_position_embeddings, manifest.chunk_tokens),
        ):
            if there < here or (there > here and what != "positions"):
                raise UsageError(f"{folder}: {there} {what}, but {plan.shards.path} has {here}; name what fits")
        return AUTO[plan.objective].from_pretrained(
            folder, local_files_only=True, trust_remote_code=False, use_safetensors=True
        )
    except UsageError:
        raise
    except Exception as error:  # a folder is input like any other, and what it can raise is not documented
        raise UsageError(f"{folder}: no model that transformers loads: {' '.join(str(error).split())}") from None


def steps_of(folder: Path) -> int | None:
    """Return the steps that a model of ours was trained for; None where it does not say."""
    try:
        record: Any = json.loads((folder / TRAINING).read_text(encoding="utf-8"))
        return int(record["steps"])
    except (OSError, ValueError, KeyError, TypeError):
        return None
