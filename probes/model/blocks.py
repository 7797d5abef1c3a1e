"""Find the blocks of a model, which it applies one after another."""

from torch import nn

from probes.model.loading import LoadedModel
from wikilm.errors import RunError


def blocks_of(loaded: LoadedModel) -> tuple[list[nn.Module], int]:
    """Return the blocks that have weights of their own, and how often a pass calls one: ALBERT calls one many times.

    Raises:
        RunError: they cannot be told from the model's other parts.
    """
    config = loaded.model.config.get_text_config()
    depth = getattr(config, "num_hidden_layers", None)
    lengths = {depth, getattr(config, "num_hidden_groups", depth)}
    lists = (m for m in loaded.model.modules() if isinstance(m, nn.ModuleList) and len(m) in lengths)
    found = next(lists, None)
    if depth is None or found is None:
        raise RunError(f"{loaded.name}: is not made of blocks that can be told apart, so its layers cannot be asked")
    return list(found), int(depth)
