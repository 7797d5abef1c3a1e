"""Make the model that a run begins with: untrained, or with the weights of another one."""

from typing import TYPE_CHECKING

from transformers import PreTrainedModel

from train.model.build import build
from train.model.initialization import initialize

if TYPE_CHECKING:
    from train.plan import Plan, WarmStart


def first_model(plan: "Plan") -> PreTrainedModel:
    """Make the model; `torch`'s global generator stays seeded by `settings.seed`.

    Raises:
        RunError: the weights that it should start from are damaged, or not those of its configuration.
    """
    model = _trained(plan, plan.start) if plan.start else _untrained(plan)
    if plan.settings.gradient_checkpointing:
        # Its name in new versions of transformers, and in 5.17
        enable = getattr(model, "activation_checkpointing_enable", None) or model.gradient_checkpointing_enable
        enable({"use_reentrant": False})
    return model


def _trained(plan: "Plan", start: "WarmStart") -> PreTrainedModel:
    from train.model.warm_weights import load  # here, since most runs start from no other model

    return load(start, plan.settings, plan.manifest)


def _untrained(plan: "Plan") -> PreTrainedModel:
    model = build(plan.objective, plan.settings, plan.manifest.tokenizer, plan.manifest.chunk_tokens)
    if plan.settings.initialization != "normal":
        initialize(model, plan.shards.rows("train"))
    return model
