"""A manifest in, the dataset card of its folder out: YAML for `datasets` and the model hub, Markdown for people.

A pure function: no clock, no folder, no machine. Names come from the source, so none of them is taken for markup.
"""

import datetime
import json
import re
import shlex
from collections.abc import Iterable, Mapping

from pipeline.shard_format import DEAD_LETTERS, SPLITS, Manifest
from pipeline.site import language_of
from wikilm.terminal import visible

MAX_NAME = 200  # characters of a name in a heading
RELICENSED = "2023-06-07"  # when the text of Wikipedia went from CC BY-SA 3.0 to 4.0
BUNDLED = ("miniwiki", "miniwiki-pages-articles-multistream.xml.bz2")  # database and file of corpus/
_CARD = """---
{front}---

# {title}

Rows of {chunk_tokens} token ids for causal and masked language models, made of {articles:,} articles
by wikilm {version}.

## Source

{source}

{licence}

## What is inside

{splits}

Where every page and token of the source went:

{ledger}

pages = articles + redirects + pages left out; articles = train + validation + articles left out + dead letters;
tokens = {chunk_tokens} x (train rows + validation rows) + tail tokens. Dead letters are pages that could not be
read or cleaned: `{dead_letters}` names each of them, and why.

## How it was made

```sh
{command}
```

The tokenizer is the one of {vocab_size:,} entries whose `tokenizer.json` has the sha256
`{tokenizer}`.
`manifest.json` has the hash of every file; `python -m pipeline.verify DIR` checks them.

## How to load it

```python
import datasets

datasets.load_dataset("DIR")  # every split that has rows
datasets.load_from_disk("DIR/train")  # one of them, memory-mapped
```

`input_ids` are the token ids of a row, `page_id` is the article in which it starts. This names all articles of a row,
with their addresses:

```sh
python -m pipeline.locate --shards DIR --split train --row 0
```
"""


def card(manifest: Manifest) -> str:
    """The text of README.md for the folder that a manifest describes; the manifest need not list it yet."""
    counts, name = manifest.counts, title(manifest)
    licences, licence = _licence(manifest)
    dated = {"date of the dump": date_of(manifest.source.name)} if date_of(manifest.source.name) else {}
    source = {
        "name": _plain(manifest.source.name),
        "kind": manifest.source.kind,
        "wiki": _plain(", ".join(part for part in (manifest.site.name, manifest.site.database) if part) or "unknown"),
        "language": _plain(_language(manifest) or "unknown"),
        **dated,
        "bytes": f"{manifest.source.bytes:,}",
        "checksum": _plain(manifest.source.checksum),
    }
    splits = [
        (split, f"{getattr(counts, f'{split}_articles'):,}", f"{manifest.rows(split):,}", len(manifest.of(split)))
        for split in SPLITS
    ]
    return _CARD.format(
        front=_front(manifest, name, licences),
        title=_plain(name),
        chunk_tokens=manifest.chunk_tokens,
        articles=counts.train_articles + counts.validation_articles,
        version=_plain(manifest.version),
        source=_table(("source", ""), source.items()),
        licence=licence,
        splits=_table(("split", "articles", "rows", "files"), splits),
        ledger=_table(("fate", "count"), _ledger(manifest)),
        command=_command(manifest),
        tokenizer=manifest.tokenizer.sha256,
        vocab_size=manifest.tokenizer.vocab_size,
        dead_letters=DEAD_LETTERS,
    )


def title(manifest: Manifest) -> str:
    """What to call the data: the wiki, its language, the date of the dump, and what became of it."""
    name = manifest.site.name or manifest.source.name
    about = ", ".join(part for part in (_language(manifest), date_of(manifest.source.name)) if part)
    return visible(f"{name[:MAX_NAME]}{f' ({about})' if about else ''}, rows of {manifest.chunk_tokens} tokens")


def date_of(name: str) -> str | None:
    """The date that stands in the name of a dump, as 2017-09-01; the first, if there are several."""
    for digits in re.findall(r"(?<![0-9])20[0-9]{6}(?![0-9])", name):
        try:
            return datetime.date.fromisoformat(digits).isoformat()
        except ValueError:
            continue
    return None


def size_category(rows: int) -> str:
    """The hub's name for a number of rows."""
    names = ("1K", "10K", "100K", "1M", "10M", "100M", "1B", "10B", "100B", "1T")
    if rows < 1000:
        return "n<1K"
    power = len(str(rows)) - 4  # of ten, above a thousand
    return f"{names[power]}<n<{names[power + 1]}" if power + 1 < len(names) else "n>1T"


def _language(manifest: Manifest) -> str | None:
    return manifest.site.language or language_of(manifest.site.base)


def _licence(manifest: Manifest) -> tuple[list[str], str]:
    """The hub's names of the licences of the text, and a sentence for people."""
    if (manifest.site.database, manifest.source.name) == BUNDLED:
        return ["apache-2.0"], "The text is wikilm's own encyclopedia, under the project's licence, Apache-2.0."
    if language_of(manifest.site.base) is None:
        return ["unknown"], "The licence of the text is not known here: ask where the source comes from."
    date = date_of(manifest.source.name)
    version = "3.0" if date and date < RELICENSED else "4.0"
    return [f"cc-by-sa-{version}", "gfdl"], (
        f"The text is © Wikipedia contributors, under CC BY-SA {version} and, but for what came from elsewhere under"
        " CC BY-SA alone, the GFDL: name each article that you show, and share alike. Its history names its authors."
    )


def _front(manifest: Manifest, name: str, licences: list[str]) -> str:
    """The YAML front matter. Each value is a JSON string, which YAML reads as it is, or one of our own words."""
    lines = []
    language = _language(manifest) or ""
    if re.fullmatch("[a-z]{2,3}", language):
        lines += ["language:", f"- {json.dumps(language)}"]
    elif re.fullmatch("[a-z]{2,3}(-[A-Za-z0-9]{2,8})+", language):
        lines += ["language_bcp47:", f"- {json.dumps(language)}"]
    lines += ["license:", *(f"- {licence}" for licence in licences)]
    lines += [f"pretty_name: {json.dumps(name, ensure_ascii=False)}"]
    lines += ["size_categories:", f"- {size_category(sum(map(manifest.rows, SPLITS)))}"]
    lines += ["task_categories:", "- text-generation", "- fill-mask"]
    if there := [split for split in SPLITS if manifest.rows(split)]:  # `datasets` loads no split without rows
        lines += ["configs:", "- config_name: default", "  data_files:"]
        for split in there:
            lines += [f"  - split: {split}", f"    path: {split}/*.arrow"]
    return "".join(line + "\n" for line in lines)


def _ledger(manifest: Manifest) -> Iterable[tuple[str, str]]:
    counts: Mapping[str, object] = manifest.counts.model_dump()
    for name, value in counts.items():
        if isinstance(value, dict):
            yield from ((f"left out: {_plain(reason)}", f"{number:,}") for reason, number in value.items())
        else:
            yield name.replace("_", " ").replace("chunks", "rows"), f"{value:,}"


def _command(manifest: Manifest) -> str:
    split, limits = manifest.split, manifest.limits
    settings = {
        "--source": shlex.quote(visible(manifest.source.name)),
        "--unit-bytes": limits.unit_bytes,
        "--max-page-bytes": limits.max_page_bytes,
        "--max-page-seconds": limits.max_page_seconds,
        "--seed": split.seed,
        "--validation-fraction": split.validation_fraction,
        **({"--take": ",".join(map(str, split.take))} if split.take is not None else {}),
        "--chunk-tokens": manifest.chunk_tokens,
        "--chunking": manifest.chunking,
        "--tokenizer": "TOKENIZER",
        "--output": "DIR",
    }
    return "python -m pipeline" + "".join(f" \\\n  {flag} {value}" for flag, value in settings.items())


def _table(heads: tuple[str, ...], rows: Iterable[tuple[object, ...]]) -> str:
    lines = [heads, ("---",) * len(heads), *rows]
    return "\n".join("| " + " | ".join(map(str, line)) + " |" for line in lines)


def _plain(text: str) -> str:
    """Text that Markdown shows as it is, on one line."""
    return re.sub(r"([\\`*_{}\[\]<>()#|!&~$])", r"\\\1", visible(text))
