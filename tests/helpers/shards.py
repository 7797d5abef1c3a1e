"""Make a folder of finished shards with its manifest from rows of token ids, without Beam."""

from pathlib import Path

import numpy as np
import pyarrow as pa
from transformers import AutoTokenizer

from pipeline.output.shard_file import dataset_files, file_entry
from tests.helpers.tokenizers import SENTENCES
from wikilm import shards as sf
from wikilm.files import sha256_of

Rows = np.ndarray  # [rows, chunk_tokens]


def make_rows(tokenizer_folder: Path, rows: int, chunk_tokens: int = 32, seed: int = 0) -> Rows:
    """Rows of shuffled sentences, each followed by an end-of-text token, as `pack` chunking makes them."""
    tokenizer = AutoTokenizer.from_pretrained(tokenizer_folder)
    sentences = [[*tokenizer(text)["input_ids"], tokenizer.eos_token_id] for text in SENTENCES]
    rng = np.random.default_rng(seed)
    stream: list[int] = []
    while len(stream) < rows * chunk_tokens:
        stream += sentences[rng.integers(len(sentences))]
    return np.array(stream[: rows * chunk_tokens], dtype=np.int64).reshape(rows, chunk_tokens)


def make_shards(
    folder: Path, tokenizer_folder: Path, train: Rows | None = None, validation: Rows | None = None, units: int = 2
) -> sf.Manifest:
    """Write `train` (default: 24 rows of 32) and `validation` (default: 6) as shards of `units` work units each."""
    train = make_rows(tokenizer_folder, 24, seed=1) if train is None else train
    validation = make_rows(tokenizer_folder, 6, train.shape[1], seed=2) if validation is None else validation
    tokenizer = AutoTokenizer.from_pretrained(tokenizer_folder)
    chunk_tokens, vocab_size = train.shape[1], len(tokenizer)
    shards: list[sf.ShardEntry] = []
    articles: list[sf.FileEntry] = []
    files: list[sf.FileEntry] = []
    for split, rows in (("train", train), ("validation", validation)):
        names = [sf.shard_name(split, unit, units) for unit in range(units)]
        for unit, (name, part) in enumerate(zip(names, np.array_split(rows, units), strict=True)):
            path = _write(folder / name, part, sf.schema(chunk_tokens, vocab_size))
            entry = _entry(folder, path)
            shards.append(sf.ShardEntry(**entry, split=split, unit=unit, rows=len(part), tokens=part.size))
            table = _articles(folder / sf.articles_name(split, unit, units), part)
            articles.append(sf.FileEntry(**_entry(folder, table)))
    for name, data in dataset_files(shards, chunk_tokens, vocab_size).items():
        (folder / name).write_bytes(data)
        files.append(file_entry(name, data))
    counts = sf.Counts(
        pages=2,
        articles=2,
        redirects=0,
        left_out={},
        dead_letters=0,
        train_articles=1,
        validation_articles=1,
        text_bytes=0,
        tokens=train.size + validation.size,
        train_chunks=len(train),
        validation_chunks=len(validation),
        tail_tokens=0,
    )
    manifest = sf.Manifest(
        version="0",
        site=sf.SiteEntry(language="en", name="Made up", database="madeupwiki", base="https://example.org/wiki/Main"),
        limits=sf.LimitsEntry(unit_bytes=1, max_page_bytes=1, max_page_seconds=1.0),
        source=sf.SourceEntry(name="made-up.xml", kind="xml", bytes=0, checksum="sha256:0", units=units, files=[]),
        tokenizer=sf.TokenizerEntry(
            sha256=sha256_of(tokenizer_folder / "tokenizer.json"),
            vocab_size=vocab_size,
            end_of_text_id=tokenizer.eos_token_id,
            mask_id=tokenizer.mask_token_id,
        ),
        split=sf.SplitEntry(seed=0, validation_fraction=0.2, take=None),
        chunk_tokens=chunk_tokens,
        chunking="pack",
        counts=counts,
        shards=shards,
        articles=articles,
        files=files,
    )
    (folder / sf.MANIFEST).write_bytes(sf.manifest_bytes(manifest))
    return manifest


def _write(path: Path, rows: Rows, schema: pa.Schema) -> Path:
    """One shard file: an Arrow IPC stream of one record batch."""
    path.parent.mkdir(parents=True, exist_ok=True)
    flat = pa.array(rows.reshape(-1), type=schema.field("input_ids").type.value_type)
    ids = pa.FixedSizeListArray.from_arrays(flat, type=schema.field("input_ids").type)
    pages = pa.array(np.arange(len(rows)), type=pa.int64())
    with path.open("wb") as file, pa.ipc.new_stream(file, schema) as writer:
        writer.write_batch(pa.record_batch([ids, pages], schema=schema))
    return path


def _articles(path: Path, rows: Rows) -> Path:
    """One article for each row, as `_write` numbers them."""
    path.parent.mkdir(parents=True, exist_ok=True)
    numbers = range(len(rows))
    columns = [list(numbers), [0] * len(rows), [f"T{number}" for number in numbers], [rows.shape[1]] * len(rows)]
    with path.open("wb") as file, pa.ipc.new_stream(file, sf.articles_schema()) as writer:
        writer.write_table(pa.table(columns, schema=sf.articles_schema()))
    return path


def _entry(folder: Path, path: Path) -> dict[str, object]:
    """Path, size and hash, as the manifest records them."""
    return {
        "path": path.relative_to(folder).as_posix(),
        "bytes": path.stat().st_size,
        "sha256": sha256_of(path),
    }
