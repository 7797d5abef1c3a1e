"""Make the model that a run begins with: untrained, or with the weights of another one."""

from transformers import PreTrainedModel

from train.initialization import look_at_neighbors, token_counts
from train.model import build
from train.plan import Plan
from train.settings import MaskedSettings
from train.warm_weights import load


def first_model(plan: Plan) -> PreTrainedModel:
    """Make the model; `torch`'s global generator stays seeded by `settings.seed`.

    Raises:
        RunError: the weights that it should start from are damaged, or not those of its configuration.
    """
    if plan.start:
        return load(plan.start, plan.settings, plan.manifest)
    model = build(plan.objective, plan.settings, plan.manifest.tokenizer, plan.manifest.chunk_tokens)
    if isinstance(plan.settings, MaskedSettings) and plan.settings.initialization == "neighbors":
        look_at_neighbors(model, token_counts(plan.shards.rows("train"), plan.manifest.tokenizer.vocab_size))
    return model
