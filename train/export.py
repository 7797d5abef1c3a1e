"""A trained model and its figures in, a `transformers` folder out: weights, tokenizer, model card, training.json."""

import json
import shutil
from pathlib import Path
from typing import Any

from safetensors import SafetensorError
from transformers import PreTrainedModel, PreTrainedTokenizerBase
from transformers.utils import logging

from pipeline.shard_format import Manifest
from train.folder import TRAINING, new_folder, refuse_foreign
from train.sample import printable
from train.settings import Objective
from wikilm.errors import RunError

FORMAT = 1
TOKENIZER_FILES = (
    "tokenizer.json",
    "tokenizer_config.json",
    "special_tokens_map.json",
    "added_tokens.json",
    "vocab.json",
    "merges.txt",
)

USAGE = {
    "causal": """from transformers import pipeline

generate = pipeline("text-generation", model="path/to/this/folder")
print(generate("The river", max_new_tokens=16, do_sample=False)[0]["generated_text"])""",
    "masked": """from transformers import pipeline

fill = pipeline("fill-mask", model="path/to/this/folder")
for guess in fill("The river flows into the {mask}."):
    print(guess["token_str"], guess["score"])""",
}

CARD = """---
library_name: transformers
pipeline_tag: {task}
tags: [wikilm, {architecture}, {objective}-language-model]
---

# {architecture} pretrained from scratch on {source}

A {objective} language model of {parameters:,} parameters, trained by wikilm on {train_rows:,} rows of {chunk_tokens}
tokens from {articles:,} articles; {validation_articles:,} more were held back for validation. It knows nothing else: no
other text, no other weights.

## Use

```python
{usage}
```

## Training

| | |
|---|---|
| source | `{source}`, {checksum} |
| tokenizer | {vocab_size:,} entries, sha256 `{tokenizer_sha256}` |
| shape | {layers} layers, {heads} heads, width {width}, context {chunk_tokens} tokens |
| optimizer | {optimizer}, learning rate {learning_rate}, {schedule} schedule, {batch_size} rows per step |
| steps | {steps:,} of {planned_steps:,} planned ({epochs:.1f} epochs, {tokens:,} tokens) |
| training loss | {loss:.4f} nats per token at the end, {mean_loss:.4f} in the mean |
| validation loss | {validation_loss:.4f} at the end |
| lowest validation loss | {lowest_validation_loss:.4f}, at step {lowest_validation_step:,} |

All settings, and the curves as numbers, are in `{training}`.

## Limits

A small model of a small corpus recites what it was trained on and makes up the rest: it is no source of facts.

## License

The code that made this model is under Apache-2.0. The text it was trained on keeps its own license: Wikipedia's is
CC BY-SA 4.0 and GFDL. Whether they bind a model that was trained on it is not settled.
"""


def export(
    output: Path,
    model: PreTrainedModel,
    tokenizer: PreTrainedTokenizerBase,
    tokenizer_folder: Path,
    manifest: Manifest,
    figures: dict[str, Any],
) -> None:
    """Write the finished model, all of it or nothing; the same bytes for the same run.

    Raises:
        UsageError: `output` holds something else.
        RunError, OSError: it cannot be written, as when the device is full; what stood there before stays.
    """
    refuse_foreign(output)
    if model.can_generate():
        model.generation_config.do_sample = False
    with new_folder(output) as folder:
        logging.disable_progress_bar()
        try:
            model.save_pretrained(folder)
        except SafetensorError as error:
            raise RunError(
                f"{output}: cannot write the model: {error}; free some space or name another --output"
            ) from None
        for name in TOKENIZER_FILES:
            if (tokenizer_folder / name).is_file():
                shutil.copyfile(tokenizer_folder / name, folder / name)
        record = {"format": FORMAT, **figures}
        (folder / TRAINING).write_text(json.dumps(record, indent=1, ensure_ascii=False) + "\n", encoding="utf-8")
        card = model_card(figures, manifest, str(tokenizer.mask_token))
        (folder / "README.md").write_text(card, encoding="utf-8")


def model_card(figures: dict[str, Any], manifest: Manifest, mask_token: str) -> str:
    """The README of a model: what it is made of, how to use it, and how it came out."""
    objective: Objective = figures["objective"]
    words = {**figures["settings"], **figures} | {
        "task": {"causal": "text-generation", "masked": "fill-mask"}[objective],
        "architecture": {"causal": "GPT-2", "masked": "BERT"}[objective],
        "source": printable(manifest.source.name).replace("`", "'"),
        "checksum": manifest.source.checksum,
        "train_rows": manifest.rows("train"),
        "articles": manifest.counts.train_articles,
        "validation_articles": manifest.counts.validation_articles,
        "tokenizer_sha256": manifest.tokenizer.sha256,
        "training": TRAINING,
        "usage": USAGE[objective].replace("{mask}", mask_token),
    }
    return CARD.format(**words)
