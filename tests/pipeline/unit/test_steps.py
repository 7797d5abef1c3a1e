"""A unit comes to the same shards, tables and counts, in batches of any size; its tables name what is in its shards."""

import shutil
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

import pipeline.articles.columns
import pipeline.source.parquet
from pipeline.articles.site import Site
from pipeline.articles.split import Selection, split_of
from pipeline.output.reports import UnitReport, read_reports
from pipeline.settings import ShardsSettings, SourceSettings, SplitSettings
from pipeline.source.plan import Source, open_source
from pipeline.storage.place import Place
from pipeline.tokens.encoder import GIGATOKEN, Encoder
from pipeline.tokens.encoder_pool import EncoderSpec
from pipeline.unit import steps
from pipeline.unit.steps import Recipe, cleaner_of, read_articles
from tests.helpers.dumps import Page, make_dump
from wikilm.shards import imbalances
from wikilm.shards.format import SPLITS

SPLIT = SplitSettings(seed=0, validation_fraction=0.3)
TEXTS = {number: f"Text number {number} " * (number % 13) + "\r\nend\x00" * (number % 2) for number in range(1, 90)}


@pytest.fixture(scope="module")
def folder(tiny_tokenizer, tmp_path_factory) -> Path:
    folder = tmp_path_factory.mktemp("unit")
    shutil.copytree(tiny_tokenizer, folder / "tokenizer")
    pages = [
        Page(number, f"T{number}", text, redirect="X" if number % 9 == 0 else None) for number, text in TEXTS.items()
    ]
    pages.append(Page(500, "Broken", raw="<page><title>Broken</title><ns>0</ns><id>500</id></page>"))
    pages.append(Page(501, "Surrogate", "a &#xD800; b"))
    make_dump(
        folder / "a.xml.bz2",
        [Page(p.id, p.title, p.text.replace("\x00", ""), redirect=p.redirect, raw=p.raw) for p in pages],
    )
    ids = [str(number) for number in TEXTS] + ["x", "500", None, "501"]
    titles = [f"T{number}" for number in TEXTS] + ["no id", " Spaced ", "null", None]
    texts = [*TEXTS.values(), "a", "b", "c", "d"]
    pq.write_table(pa.table({"id": ids, "title": titles, "text": texts}), folder / "a.parquet", row_group_size=40)
    return folder


def sources(folder: Path) -> list[Source]:
    return [open_source(SourceSettings(path=str(folder / n), unit_bytes=10**9)) for n in ("a.xml.bz2", "a.parquet")]


def made(source: Source, folder: Path, work: Path, chunking: str) -> tuple[UnitReport, dict[str, bytes]]:
    tokenizer = folder / "tokenizer"
    recipe = Recipe(
        cleaners=(cleaner_of(source),),
        split=SPLIT,
        encoder=EncoderSpec(tokenizer, GIGATOKEN, Encoder(tokenizer).entry),
        shards=ShardsSettings(chunk_tokens=8, chunking=chunking, max_dead_fraction=1),
        work=Place(str(work)),
        units=1,
    )
    [unit] = source.units
    stream = steps.read(unit, recipe, Selection(SPLIT))
    for step in (steps.clean, steps.encode, steps.cut):
        stream = step(stream, recipe)
    assert steps.write(stream, recipe) == unit.number
    [report] = read_reports(recipe.work)
    return report, {str(p.relative_to(work)): p.read_bytes() for p in work.rglob("*") if p.is_file()}


@pytest.mark.parametrize("chunking", ["pack", "document"])
def test_batches_of_any_size_make_the_same_files(folder, tmp_path, monkeypatch, chunking):
    for number, source in enumerate(sources(folder)):
        report, files = made(source, folder, tmp_path / f"{number}-plain", chunking)
        assert list(imbalances(report.counts, 8, report.shards)) == []
        assert len(files) == 6
        for size in (1, 3, 7):
            with monkeypatch.context() as patch:
                patch.setattr(pipeline.articles.columns, "BATCH_PAGES", size)
                patch.setattr(pipeline.source.parquet, "MAX_BATCH_ROWS", size)
                assert made(source, folder, tmp_path / f"{number}-{size}", chunking)[1] == files


@pytest.mark.parametrize("chunking", ["pack", "document"])
def test_the_tables_name_every_article_of_the_shards_with_its_tokens(folder, tmp_path, chunking):
    for number, source in enumerate(sources(folder)):
        report, files = made(source, folder, tmp_path / str(number), chunking)
        tables = {
            split: pa.ipc.open_stream(files[f"articles/{split}-00000-of-00001.arrow"]).read_all() for split in SPLITS
        }
        assert [entry.path for entry in report.articles] == [
            f"articles/{split}-00000-of-00001.arrow" for split in SPLITS
        ]
        for split, count in zip(SPLITS, (report.counts.train_articles, report.counts.validation_articles), strict=True):
            ids = tables[split]["page_id"].to_pylist()
            assert len(ids) == count > 10
            assert ids == sorted(ids)
            assert {split_of(SPLIT, page_id) for page_id in ids} == {split}
            titles = {page_id: f"T{page_id}" for page_id in ids} | {500: "Spaced", 501: "Surrogate"}
            assert tables[split]["title"].to_pylist() == [titles[page_id] for page_id in ids]
        assert sum(sum(table["tokens"].to_pylist()) for table in tables.values()) == report.counts.tokens


def test_what_cannot_be_read_or_cleaned_costs_itself_alone_and_says_where_it_lies(folder, tmp_path):
    dump, table = (made(s, folder, tmp_path / s.entry.kind, "pack")[0] for s in sources(folder))
    assert {letter.page_id for letter in dump.dead_letters} >= {500}
    assert all("a.xml.bz2, byte" in letter.where for letter in dump.dead_letters)
    assert [(letter.page_id, letter.where) for letter in table.dead_letters] == [
        (None, "a.parquet, row group 2, row 9"), (None, "a.parquet, row group 2, row 11"),
        (501, "a.parquet, row group 2, row 12"),
    ]  # fmt: skip
    for report in (dump, table):
        assert report.counts.dead_letters == len(report.dead_letters)
        assert report.counts.pages == len(TEXTS) + (2 if report is dump else 4)


def test_a_batch_is_no_larger_than_it_must_be(folder, monkeypatch):
    monkeypatch.setattr(pipeline.articles.columns, "BATCH_CHARACTERS", 100)
    dump, _ = sources(folder)
    for batch in read_articles(dump.units[0], Site(), Selection(SPLIT)):
        sizes = [len(text.as_py()) for text in batch.content]
        assert sum(sizes[:-1]) < 100
