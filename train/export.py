"""Export a trained model as a `transformers` folder: weights, tokenizer, model card and training.json."""

import json
import shutil
from pathlib import Path
from typing import Any

from safetensors import SafetensorError
from transformers import PreTrainedModel, PreTrainedTokenizerBase
from transformers.utils import logging

from train.card import model_card
from train.places import as_os_error
from train.plan import refuse_foreign
from wikilm.files import new_folder
from wikilm.model_folder import TOKENIZER, TRAINING
from wikilm.shards import Manifest

FORMAT = 1
TOKENIZER_FILES = (
    TOKENIZER,
    "tokenizer_config.json",
    "special_tokens_map.json",
    "added_tokens.json",
    "vocab.json",
    "merges.txt",
)


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
        OSError: it cannot be written, as when the device is full; what stood there before stays.
    """
    refuse_foreign(output)
    if model.can_generate():
        model.generation_config.do_sample = False
    with new_folder(output) as folder:
        logging.disable_progress_bar()
        try:
            model.save_pretrained(folder)
        except SafetensorError as error:
            raise as_os_error(error, output) from None
        for name in TOKENIZER_FILES:
            if (tokenizer_folder / name).is_file():
                shutil.copyfile(tokenizer_folder / name, folder / name)
        record = {"format": FORMAT, **figures}
        (folder / TRAINING).write_text(json.dumps(record, indent=1, ensure_ascii=False) + "\n", encoding="utf-8")
        card = model_card(figures, manifest, str(tokenizer.mask_token))
        (folder / "README.md").write_text(card, encoding="utf-8")
