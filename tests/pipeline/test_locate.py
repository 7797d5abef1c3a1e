"""Every token of every row leads back to its article: `locate` is the inverse of chunking."""

import json

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipeline.articles.article import Article
from pipeline.locate import main
from pipeline.output.shard_file import ArrowFile, ShardFile, dataset_files, file_entry
from pipeline.storage.place import Place
from pipeline.tokens.rows import cut_rows, token_ids
from wikilm import shards as sf
from wikilm.cli import run
from wikilm.columns import display_width
from wikilm.files import sha256_of
from wikilm.shards.origins import pieces

END = 0  # of text; all other ids say which token of which article they are
BASE = "https://lv.wikipedia.org/wiki/Main"


def made_of(lengths):
    """Articles with ids that are all different, so that each token can be known again."""
    starts = np.cumsum([1, *lengths])
    return [np.arange(start, start + n, dtype=np.uint32) for start, n in zip(starts, lengths, strict=False)]


@given(st.lists(st.integers(0, 30), max_size=12), st.integers(1, 9), st.sampled_from(["pack", "document"]))
def test_the_pieces_of_every_row_are_its_tokens(lengths, chunk_tokens, chunking):
    ids = made_of(lengths)
    rows = cut_rows(np.arange(len(ids)), token_ids(ids), chunking, chunk_tokens, END)
    streams = [np.append(some, END) if chunking == "pack" else some for some in ids]
    tokens = np.array([len(stream) for stream in streams], dtype=np.int64)
    for number, row in enumerate(rows.input_ids):
        found = list(pieces(tokens, number, chunk_tokens, chunking))
        assert [piece.row_tokens[0] for piece in found] == [0, *(piece.row_tokens[1] for piece in found[:-1])]
        assert found[-1].row_tokens[1] == chunk_tokens
        assert found[0].article == rows.page_ids[number]
        taken = [streams[piece.article][slice(*piece.article_tokens)] for piece in found]
        assert np.concatenate(taken).tolist() == row.tolist()
        assert all(len(some) for some in taken)
    assert list(pieces(tokens, len(rows.input_ids), chunk_tokens, chunking)) == []


@pytest.fixture
def packed(tiny_shards, tmp_path):
    """How to make shards in a folder of this test."""
    return lambda units, base=BASE: pack(tmp_path, sf.read_manifest(tiny_shards), units, base)


@pytest.fixture
def folder(packed):
    return packed([[("Ant", 5), ("Bee / wasp?", 2)], [("../../x", 20)]])


def pack(tmp_path, other, units, base):
    """Shards of packed articles, (title, tokens) each, in the train split; the other is empty."""
    shards, tables, place = [], [], Place(str(tmp_path))
    for split in sf.SPLITS:
        number = 0
        for unit, named in enumerate(units):
            articles = []
            for title, _ in named if split == "train" else ():
                number += 1
                articles.append(Article(number + 10 * unit, 70 + number, title, ""))
            ids = made_of([tokens for _, tokens in named])[: len(articles)]
            rows = cut_rows(np.array([a.page_id for a in articles], np.int64), token_ids(ids), "pack", 4, END)
            name, table = sf.shard_name(split, unit, len(units)), sf.articles_name(split, unit, len(units))
            with place.create(name) as file:
                shard = ShardFile(name, file, 4, 300)
                shard.append_rows(rows)
                shards.append(shard.close_shard(split, unit))
            with place.create(table) as file:
                written = ArrowFile(table, file, sf.articles_schema())
                columns = [
                    (a.page_id, a.revision_id, a.title, len(some) + 1) for a, some in zip(articles, ids, strict=True)
                ]
                written.append([pa.array(column) for column in zip(*columns, strict=True)] if columns else [[]] * 4)
                tables.append(written.close())
    files = dataset_files(shards, 4, 300)
    for name, data in files.items():
        place.write(name, data)
    manifest = other.model_copy(
        update={
            "source": other.source.model_copy(update={"units": len(units)}),
            "site": other.site.model_copy(update={"base": base}),
            "tokenizer": other.tokenizer.model_copy(update={"vocab_size": 300}),
            "chunk_tokens": 4,
            "shards": shards,
            "articles": tables,
            "files": [file_entry(name, data) for name, data in files.items()],
        }
    )
    (tmp_path / sf.MANIFEST).write_bytes(sf.manifest_bytes(manifest))
    return tmp_path


def located(capsys, folder, row, split="train"):
    status = run(main, "locate", ["--shards", str(folder), "--split", split, "--row", str(row)])
    said = capsys.readouterr()
    return status, said.out, said.err


def refusal(capsys, folder, row, split="train"):
    """Exit status and the one line that refuses."""
    status, out, err = located(capsys, folder, row, split)
    assert out == ""
    assert len(err.splitlines()) == 1
    return status, err


def test_a_row_of_several_articles_names_them_all_with_their_addresses(capsys, folder):
    status, out, _ = located(capsys, folder, 1)
    *table, last = out.splitlines()
    assert status == 0
    assert json.loads(last) == {
        "split": "train", "row": 1, "shard": "train/data-00000-of-00002.arrow", "row_in_shard": 1,
        "articles": [
            {
                "page_id": 1, "revision_id": 71, "title": "Ant", "url": "https://lv.wikipedia.org/wiki/Ant",
                "row_tokens": [0, 2], "article_tokens": [4, 6],
            },
            {
                "page_id": 2, "revision_id": 72, "title": "Bee / wasp?",
                "url": "https://lv.wikipedia.org/wiki/Bee_/_wasp%3F", "row_tokens": [2, 4], "article_tokens": [0, 2],
            },
        ],
    }  # fmt: skip
    assert len(table) == 3
    assert table[1].split()[:5] == ["0-1", "4-5", "1", "71", "Ant"]


def test_rows_go_on_in_the_next_shard_and_the_last_is_the_last(capsys, folder):
    _, out, _ = located(capsys, folder, 2)
    found = json.loads(out.splitlines()[-1])
    assert (found["shard"], found["row_in_shard"]) == ("train/data-00001-of-00002.arrow", 0)
    assert found["articles"][0]["url"] == "https://lv.wikipedia.org/wiki/..%2F..%2Fx"
    status, err = refusal(capsys, folder, 7)
    assert status == 2
    assert "rows 0 to 6" in err
    assert refusal(capsys, folder, -1)[0] == 2
    assert "no rows" in refusal(capsys, folder, 0, "validation")[1]


def test_without_a_known_wiki_there_is_no_address(capsys, packed):
    _, out, _ = located(capsys, packed([[("Ant", 5)]], ""), 0)
    assert json.loads(out.splitlines()[-1])["articles"][0]["url"] is None
    assert "unknown" in out


def test_titles_of_any_script_keep_the_addresses_in_one_column(capsys, packed):
    _, out, _ = located(capsys, packed([[("京都市", 5), ("Ant", 5)]]), 1)
    heading, *rows, _ = out.splitlines()
    assert len(rows) == 2
    before = [line[: line.index(word)] for line, word in [(heading, "URL"), *((row, "https") for row in rows)]]
    assert len(set(map(display_width, before))) == 1


def test_a_title_cannot_control_the_terminal(capsys, packed):
    title = "\x1b[2J\u202e\n'\"\u2028"
    _, out, _ = located(capsys, packed([[(title, 5)]]), 0)
    assert len(out.splitlines()) == 3
    assert not {"\x1b", "\u202e", "\u2028"} & set(out)
    assert json.loads(out.splitlines()[-1])["articles"][0]["title"] == title


def test_an_address_is_refused_and_its_credentials_are_not_repeated(capsys):
    for address in ("s3://key:secret@bucket/x", "s3://bucket/x"):
        assert run(main, "locate", ["--shards", address, "--row", "0"]) == 2
        [line] = capsys.readouterr().err.splitlines()
        assert "--shards" in line
        assert "secret" not in line


def test_damage_is_refused_in_one_line(capsys, folder):
    shard, table = folder / "train/data-00000-of-00002.arrow", folder / "articles/train-00000-of-00002.arrow"
    good = table.read_bytes()
    table.write_bytes(good[:-1] + b"\x01")
    assert "not the file that manifest.json names" in refusal(capsys, folder, 0)[1]
    table.unlink()
    assert "cannot read" in refusal(capsys, folder, 0)[1]
    table.write_bytes(good)
    shard.write_bytes(shard.read_bytes()[:100])
    assert "train/data-00000-of-00002.arrow" in refusal(capsys, folder, 0)[1]
    (folder / sf.MANIFEST).unlink()
    assert "no such file" in refusal(capsys, folder, 0)[1]


@pytest.mark.parametrize(
    ("table", "named"),
    [
        (pa.table({"page_id": [1]}), "other columns"),
        (pa.table([[1], [1], [None], [9]], names=sf.articles_schema().names), "other columns"),
        (pa.table([[1], [1], pa.array([None], pa.string()), [9]], names=sf.articles_schema().names), "other columns"),
        (pa.table([[1], [1], pa.array([b"\xff"]).view(pa.string()), [9]], schema=sf.articles_schema()), "cannot read"),
        (pa.table([[5], [1], ["Else"], [9]], schema=sf.articles_schema()), "not what the table of articles says"),
        (pa.table([[1], [1], ["Short"], [1]], schema=sf.articles_schema()), "not what the table of articles says"),
        (sf.articles_schema().empty_table(), "not what the table of articles says"),
    ],
)
def test_a_table_that_does_not_fit_its_shard_is_refused(capsys, folder, table, named):
    path = folder / "articles/train-00000-of-00002.arrow"
    with path.open("wb") as file, pa.ipc.new_stream(file, table.schema) as writer:
        writer.write_table(table)
    manifest = sf.read_manifest(folder)
    changed = {"sha256": sha256_of(path), "bytes": path.stat().st_size}
    entries = [e.model_copy(update=changed) if folder / e.path == path else e for e in manifest.articles]
    (folder / sf.MANIFEST).write_bytes(sf.manifest_bytes(manifest.model_copy(update={"articles": entries})))
    assert named in refusal(capsys, folder, 0)[1]
