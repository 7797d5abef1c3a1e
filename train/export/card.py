"""Write the model card: metadata that the model hub reads, and what the model is, how to use it and how it came out."""

import json
import re
from typing import Any

from huggingface_hub import EvalResult, ModelCard, ModelCardData

from train.rows import NONE_OF_MASKED, NONE_OF_TOKENIZER
from train.settings import Objective
from wikilm.markdown import code, plain, table
from wikilm.model_folder import TRAINING
from wikilm.origin import date_of, language_fields, languages_of, license_of
from wikilm.shards import Manifest
from wikilm.terminal import visible

TASK = {"causal": "text-generation", "masked": "fill-mask"}
ARCHITECTURE = {"gpt2": "GPT-2", "llama": "Llama", "bert": "BERT"}
USAGE = {
    "causal": """from transformers import pipeline

generate = pipeline("text-generation", model="path/to/this/folder")
print(generate("The river", max_new_tokens=16, do_sample=False)[0]["generated_text"])""",
    "masked": """from transformers import pipeline

fill = pipeline("fill-mask", model="path/to/this/folder")
for guess in fill({blank}):
    print(guess["token_str"], guess["score"])""",
}
FRESH = "It knows nothing else: no\nother text, no other weights."
CONTINUED = (
    "Its first weights\nare those of {name}, and with them what that model had learned; its license holds as well."
)
_BODY = """
# {title}

A {objective} language model of {parameters:,} parameters, trained by wikilm on {train_rows:,} rows of {chunk_tokens}
tokens from {articles:,} articles; {validation_articles:,} more were held back for validation. {origin}

## Use

```python
{usage}
```

## Training

{facts}

All settings, and the curves as numbers, are in `{training}`.

## Limits

A small model of a small corpus recites what it was trained on and makes up the rest: it is no source of facts.

## License

{license} The metadata above name that license. Whether it binds a model that was trained on the text is not settled.
The code that made this model is under Apache-2.0.
"""


def model_card(figures: dict[str, Any], manifest: Manifest, mask_token: str) -> str:
    """Write the README of a model: the same text for the same run. No name that comes from the source becomes markup.

    Args:
        figures: of the run, as `training.json` has them.
        manifest: of the shards it was trained on.
        mask_token: of the tokenizer.
    """
    objective: Objective = figures["objective"]
    body = _BODY.format(
        **{name: figures[name] for name in ("objective", "parameters", "chunk_tokens")},
        title=plain(_title(figures, manifest)),
        origin=CONTINUED.format(name=code(figures["init"]["from"])) if "init" in figures else FRESH,
        train_rows=manifest.row_count("train"),
        articles=manifest.counts.train_articles,
        validation_articles=manifest.counts.validation_articles,
        usage=USAGE[objective].replace("{blank}", json.dumps(f"The river flows into the {visible(mask_token)}.")),
        facts=table(("", ""), _facts(figures, manifest).items()),
        training=TRAINING,
        license=license_of(manifest).notice,
    )
    return str(ModelCard(f"---\n{_metadata(figures, manifest).to_yaml()}\n---\n{body}"))


def _title(figures: dict[str, Any], manifest: Manifest) -> str:
    how = "trained further" if "init" in figures else "pretrained from scratch"
    return f"{ARCHITECTURE[figures['architecture']]} {how} on {visible(manifest.source.name)}"


def _metadata(figures: dict[str, Any], manifest: Manifest) -> ModelCardData:
    """Write what the hub reads. It has one license for a model; of several, the first is the one that a wiki names."""
    objective: Objective = figures["objective"]
    dataset = _dataset(manifest)
    language: dict[str, Any] = dict(language_fields(languages_of(manifest).values()))
    results = [
        EvalResult(
            task_type=TASK[objective],
            dataset_type=dataset,
            dataset_name=visible(manifest.site.name or manifest.source.name),
            dataset_split="validation",
            metric_type=kind,
            metric_name=name,
            metric_value=float(f"{figures[figure]:.4g}"),
        )
        for kind, name, figure in (
            ("perplexity", "Validation perplexity per token", "perplexity"),
            ("loss", "Validation loss, nats per token", "validation_loss"),
            ("bits_per_byte", "Validation bits per byte", "bits_per_byte"),
        )
        if figures[figure] is not None
    ]
    return ModelCardData(
        license=license_of(manifest).names[0],
        datasets=[dataset],
        metrics=[result.metric_type for result in results],
        library_name="transformers",
        pipeline_tag=TASK[objective],
        tags=["wikilm", figures["architecture"], f"{objective}-language-model"],
        model_name=_title(figures, manifest),
        eval_results=results,
        ignore_metadata_errors=False,
        **language,
        **_base(figures),
    )


def _base(figures: dict[str, Any]) -> dict[str, str]:
    """Return the model of the hub that the weights are from, where they are: a folder has no name there."""
    start = figures.get("init") or {}
    return {"base_model": start["from"], "base_model_relation": "finetune"} if start.get("revision") else {}


def _dataset(manifest: Manifest) -> str:
    """Return an identifier of the text, of the letters that the hub allows: the wiki and the date of its dump."""
    name = manifest.site.database or manifest.source.name
    date = date_of(manifest.source.name)
    words = re.sub("[^A-Za-z0-9._]+", "-", name if not manifest.site.database or not date else f"{name}-{date}")
    return words.strip("-.")[:96].rstrip("-.") or "unnamed"


def _mixture(manifest: Manifest) -> str:
    shares = ((entry.wiki, 100 * entry.counts.tokens / max(1, manifest.counts.tokens)) for entry in manifest.wikis)
    return f"{', '.join(f'{plain(wiki)} {percent:.1f} %' for wiki, percent in shares)} of the tokens"


def _facts(figures: dict[str, Any], manifest: Manifest) -> dict[str, str]:
    """Return the table of the training: names and values as Markdown."""
    origin = {
        "source": f"{code(manifest.source.name)}, {plain(manifest.source.checksum)}",
        **({"wikis": _mixture(manifest)} if manifest.names_wikis else {}),
        "tokenizer": f"{figures['vocab_size']:,} entries, sha256 `{manifest.tokenizer.sha256}`",
    }
    if start := figures.get("init"):
        revision = f" at {code(start['revision'])}" if start["revision"] else ""
        hashes = ", ".join(f"{code(name)} `{digest}`" for name, digest in start["sha256"].items())
        origin["first weights"] = f"{code(start['from'])}{revision}, sha256 {hashes}"
    run = {
        "shape": "{layers} layer{s}, {heads} heads, width {width}, context {chunk_tokens} tokens",
        "optimizer": "{optimizer}, learning rate {learning_rate}, {schedule} schedule, {batch_size} rows per step",
        "steps": "{steps:,} of {planned_steps:,} planned ({epochs:.1f} epochs, {tokens:,} tokens)",
        "training loss": "{loss:.4f} nats per token {when}, {mean_loss:.4f} in the mean",
        "validation loss": "{validation_loss:.4f} {when}",
        "bits per byte": "{bits}",
        "lowest validation loss": "{lowest_validation_loss:.4f}, at step {lowest_validation_step:,}",
    }
    words = figures["settings"] | figures
    words["s"] = "s" if figures["settings"]["layers"] > 1 else ""
    words["when"] = "at this step" if "run_steps" in figures else "at the end"
    why_none = NONE_OF_MASKED if figures["objective"] == "masked" else NONE_OF_TOKENIZER
    words["bits"] = f"{figures['bits_per_byte']:.4f}" if figures["bits_per_byte"] else why_none
    if "run_steps" in figures:
        run["weights"] = "those of step {steps:,}, whose validation loss was the lowest; the run took {run_steps:,}"
    return origin | {name: text.format(**words) for name, text in run.items()}
