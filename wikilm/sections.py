"""Find the settings class that checks a section of params.yaml.

By name, since `wikilm` imports none of the packages that it serves: a class is imported when its section is asked for.
"""

import importlib

from wikilm.params import Section

SECTIONS = {
    "source": "pipeline.settings:SourceSettings",
    "split": "pipeline.settings:SplitSettings",
    "tokenizer": "pipeline.settings:TokenizerSettings",
    "shards": "pipeline.settings:ShardsSettings",
    "pretrain.causal": "train.settings:CausalSettings",
    "pretrain.masked": "train.settings:MaskedSettings",
    "fill_mask": "probes.settings:FillMaskSettings",
    "generation": "probes.settings:GenerationSettings",
    "recitation": "probes.settings:RecitationSettings",
    "report": "probes.settings:ReportSettings",
}


def settings_of(section: str) -> type[Section]:
    """The settings class of a section."""
    module, _, name = SECTIONS[section].partition(":")
    found: type[Section] = getattr(importlib.import_module(module), name)
    return found
