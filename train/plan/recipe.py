"""Know what decides the numbers of a run, and name the run by it."""

import hashlib
import json
from dataclasses import dataclass
from typing import Any

from train.plan.warm_start import WarmStart
from train.settings import MaskedSettings, Objective, PretrainSettings
from wikilm.shards import Manifest, manifest_bytes

STATE_FORMAT = 3  # of checkpoints: raised whenever an older one cannot be resumed from

# Settings that change what is told of a run, or how much memory it takes, and none of its numbers.
TOLD_ONLY = (
    "gradient_checkpointing",
    *("log_every_steps", "validate_every_steps", "validation_rows", "checkpoint_every_steps"),
    *("keep_best", "keep_every_steps", "early_stopping", "exposures", "trackers"),
    *("sample_every_steps", "sample_prompt"),
)


@dataclass(frozen=True)
class Recipe:
    """What is trained, how, on which rows, and from which weights."""

    objective: Objective
    settings: PretrainSettings
    manifest: Manifest
    start: WarmStart | None = None  # whose weights are the first; None for fresh ones

    @property
    def identity(self) -> dict[str, Any]:
        """All that decides the numbers of the run, sums' rounding aside; the manifest names the tokenizer's hash."""
        without = {*TOLD_ONLY, "init"}  # where the first weights are from does not matter, but which they are
        if not self.settings.dropout:  # which drops other values where a batch is cut, or the model compiled, otherwise
            without |= {"gradient_accumulation", "compile"}
        if self.settings.schedule == "constant" and not self.settings.warmup_fraction:
            without.add("epochs")  # the rate of a step does not depend on how many there are
        return {
            "format": STATE_FORMAT,
            "objective": self.objective,
            "settings": self.settings.model_dump(exclude=without),
            "manifest": hashlib.sha256(manifest_bytes(self.manifest)).hexdigest(),
            **({"first weights": self.start.digest} if self.start else {}),
        }

    @property
    def fingerprint(self) -> str:
        """12 hex digits that change with anything that changes the numbers of the run."""
        return hashlib.sha256(json.dumps(self.identity, sort_keys=True).encode()).hexdigest()[:12]

    @property
    def masked_fraction(self) -> float | None:
        """Share of positions to predict; None for the causal objective."""
        return self.settings.masked_fraction if isinstance(self.settings, MaskedSettings) else None

    @property
    def left_out(self) -> int | None:
        """Id of the mask that stands for each token while it is predicted, where all are; else None."""
        everything = isinstance(self.settings, MaskedSettings) and self.settings.predict == "all"
        return self.manifest.tokenizer.mask_id if everything else None
