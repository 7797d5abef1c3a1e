"""Write the dataset card of a set of shards: YAML for `datasets` and the model hub, Markdown for people.

A pure function: no clock, no folder, no machine. Names come from the source, so none of them is taken for markup.
"""

import json
import shlex
from collections.abc import Iterator, Sequence

from pipeline.output.ledger import columns_flag, flags_of
from wikilm.markdown import plain, table
from wikilm.origin import date_of, language_fields, languages_of, license_of
from wikilm.shards.format import DEAD_LETTERS, SPLITS
from wikilm.shards.manifest import CanaryEntry, Counts, DeduplicationEntry, Manifest
from wikilm.terminal import visible

MAX_NAME = 200  # characters of a name in a heading
_CARD = """---
{front}---

# {title}

Rows of {chunk_tokens} token ids for causal and masked language models, made of {articles:,} articles
by wikilm {version}.

## Source

{source}

{license}

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

datasets.load_from_disk("DIR")  # both splits, memory-mapped
datasets.load_dataset("DIR")  # every split that has rows, copied into the cache of `datasets`
```
{of_wiki}
`input_ids` are the token ids of a row, `page_id` is the article in which it starts. This names all articles of a row,
with their addresses:

```sh
python -m pipeline.locate --shards DIR --split train --row 0
```
"""


def card(manifest: Manifest) -> str:
    """Write the text of README.md for the folder that a manifest describes; the manifest need not list it yet."""
    counts, name = manifest.counts, title(manifest)
    license = license_of(manifest)
    splits = [
        (
            split,
            f"{getattr(counts, f'{split}_articles'):,}",
            f"{manifest.row_count(split):,}",
            len(manifest.shards_of(split)),
        )
        for split in SPLITS
    ]
    return _CARD.format(
        front=_front(manifest, name, license.names),
        title=plain(name),
        chunk_tokens=manifest.chunk_tokens,
        articles=counts.train_articles + counts.validation_articles,
        version=plain(manifest.version),
        source=_sources(manifest) if manifest.names_wikis else _source(manifest),
        license=license.notice,
        splits=table(("split", "articles", "rows", "files"), splits),
        ledger=_ledger(manifest),
        of_wiki="\nEach row also has its `wiki`: page ids are unique only within one.\n"
        if manifest.names_wikis
        else "",
        command=_command(manifest),
        tokenizer=manifest.tokenizer.sha256,
        vocab_size=manifest.tokenizer.vocab_size,
        dead_letters=DEAD_LETTERS,
    )


def title(manifest: Manifest) -> str:
    """Name the data: the wiki, its language, the date of the dump, and what became of it."""
    name = manifest.site.name or manifest.source.name
    parts = () if manifest.names_wikis else (*languages_of(manifest).values(), date_of(manifest.source.name))
    about = ", ".join(part for part in parts if part)
    return visible(f"{name[:MAX_NAME]}{f' ({about})' if about else ''}, rows of {manifest.chunk_tokens} tokens")


def size_category(rows: int) -> str:
    """Return the hub's name for a number of rows."""
    names = ("1K", "10K", "100K", "1M", "10M", "100M", "1B", "10B", "100B", "1T")
    if rows < 1000:
        return "n<1K"
    power = len(str(rows)) - 4  # of ten, above a thousand
    return f"{names[power]}<n<{names[power + 1]}" if power + 1 < len(names) else "n>1T"


def _source(manifest: Manifest) -> str:
    [entry] = manifest.wikis
    dated = {"date of the dump": date_of(entry.source.name)} if date_of(entry.source.name) else {}
    lines = {
        "name": plain(entry.source.name),
        "kind": entry.source.kind,
        "wiki": plain(", ".join(part for part in (entry.site.name, entry.site.database) if part) or "unknown"),
        "language": plain(languages_of(manifest).get(entry.wiki, "unknown")),
        **({"share of its articles": f"{entry.share:g}"} if entry.share < 1 else {}),
        **dated,
        "bytes": f"{entry.source.bytes:,}",
        "checksum": plain(entry.source.checksum),
    }
    return table(("source", ""), lines.items())


def _sources(manifest: Manifest) -> str:
    """Lay out a mixture: a line for each wiki."""
    languages, heads = languages_of(manifest), ("wiki", "language", "share", "articles", "rows", "tokens", "source")
    lines = (
        (
            plain(entry.wiki),
            plain(languages.get(entry.wiki, "unknown")),
            f"{entry.share:g}",
            f"{entry.counts.train_articles + entry.counts.validation_articles:,}",
            f"{entry.counts.train_chunks + entry.counts.validation_chunks:,}",
            f"{entry.counts.tokens:,}",
            plain(f"{entry.source.name}, {entry.source.bytes:,} bytes, {entry.source.checksum}"),
        )
        for entry in manifest.wikis
    )
    return table(heads, lines)


def _front(manifest: Manifest, name: str, licenses: Sequence[str]) -> str:
    """Write the YAML front matter. Each value is a JSON string, which YAML reads as it is, or one of our own words."""
    lines = []
    for field, languages in language_fields(languages_of(manifest).values()).items():
        lines += [f"{field}:", *(f"- {json.dumps(language)}" for language in languages)]
    lines += ["license:", *(f"- {license}" for license in licenses)]
    lines += [f"pretty_name: {json.dumps(name, ensure_ascii=False)}"]
    lines += ["size_categories:", f"- {size_category(sum(map(manifest.row_count, SPLITS)))}"]
    lines += ["task_categories:", "- text-generation", "- fill-mask"]
    if there := [split for split in SPLITS if manifest.row_count(split)]:  # `datasets` loads no split without rows
        lines += ["configs:", "- config_name: default", "  data_files:"]
        for split in there:
            lines += [f"  - split: {split}", f"    path: {split}/*.arrow"]
    return "".join(line + "\n" for line in lines)


def _ledger(manifest: Manifest) -> str:
    """Lay out the ledger; of several wikis, each has a column beside that of all."""
    wikis = manifest.wikis if manifest.names_wikis else []
    columns = [dict(_fates(counts)) for counts in (manifest.counts, *(entry.counts for entry in wikis))]
    heads = ("fate", "all" if wikis else "count", *(plain(entry.wiki) for entry in wikis))
    return table(heads, ((fate, *(f"{column.get(fate, 0):,}" for column in columns)) for fate in columns[0]))


def _fates(counts: Counts) -> Iterator[tuple[str, int]]:
    for name, value in counts.model_dump().items():
        if isinstance(value, dict):
            yield from ((f"left out: {plain(reason)}", number) for reason, number in value.items())
        else:
            yield name.replace("_", " ").replace("chunks", "rows"), value


def _deduplication(entry: DeduplicationEntry | None) -> Iterator[str]:
    """Yield the flags that leave out the same copies."""
    if entry is not None:
        yield f"--deduplicate {entry.form}"
        if entry.near is not None:
            yield from (f"--near-{name} {value}" for name, value in entry.near.model_dump().items())


def _canaries(entries: Sequence[CanaryEntry] | None) -> Iterator[str]:
    """Yield the flags that plant the same canaries."""
    if entries:
        times = list(dict.fromkeys(entry.times for entry in entries))
        yield f"--canaries {len(entries) // len(times)}"
        yield f"--canary-times {','.join(map(str, times))}"


def _command(manifest: Manifest) -> str:
    split, limits = manifest.split, manifest.limits
    sources = (
        " ".join(
            [
                f"--source {shlex.quote(entry.source.name)}",
                *([f"--share {entry.share}"] if entry.share < 1 else []),
                *columns_flag(entry.columns),
            ]
        )
        for entry in manifest.wikis
    )
    flags = [
        *sources,
        *flags_of(limits),
        f"--seed {split.seed}",
        f"--validation-fraction {split.validation_fraction}",
        *([f"--take {','.join(map(str, split.take))}"] if split.take is not None else []),
        f"--chunk-tokens {manifest.chunk_tokens}",
        f"--chunking {manifest.chunking}",
        *_deduplication(manifest.deduplication),
        *_canaries(manifest.canaries),
        "--tokenizer TOKENIZER",
        "--output DIR",
    ]
    return "python -m pipeline" + "".join(f" \\\n  {visible(flag)}" for flag in flags)
