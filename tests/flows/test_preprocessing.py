"""Whole runs of `python -m pipeline`: the same bytes however they are made, and a plain end for every mistake."""

import json
import os
import re
import shlex
import shutil
import subprocess
import sys
from pathlib import Path

import apache_beam as beam
import datasets
import pandas
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from pipeline.__main__ import main
from pipeline.output.card import card
from pipeline.run.beam import beam_options, run_graph
from pipeline.show import main as show
from pipeline.tokens.encoder import Encoder
from pipeline.unit.steps import Stream
from pipeline.verify import main as verify
from tests.helpers import ROOT, SHARED
from tests.helpers.dumps import Page, make_dump
from tests.helpers.limits import files_of_at_most
from tests.helpers.pipeline_runs import PipelineInputs, final_names, prose, small_wiki, tree
from wikilm.cli import run
from wikilm.errors import RunError
from wikilm.shards.manifest import manifest_bytes
from wikilm.shards.origins import Origins
from wikilm.shards.reading import open_split, problems, read_manifest

CHUNK = 16


@pytest.fixture(scope="module")
def inputs(tmp_path_factory) -> PipelineInputs:
    return PipelineInputs(tmp_path_factory.mktemp("inputs"), small_wiki(), chunk_tokens=CHUNK)


@pytest.fixture(scope="module")
def plain(inputs) -> Path:
    assert run(main, "pipeline", inputs.arguments(inputs.folder / "plain")) == 0
    return inputs.folder / "plain"


def ended(capsys, inputs: PipelineInputs, output: Path, *more: object) -> tuple[int, str]:
    """Exit status and the one line on stderr of a run that fails."""
    capsys.readouterr()
    try:
        status = run(main, "pipeline", inputs.arguments(output, *more))
    except SystemExit as end:
        status = end.code
    said = capsys.readouterr()
    assert said.out == ""
    lines = said.err.strip().splitlines()
    assert len(lines) == 1, lines
    return status, lines[0]


@pytest.mark.parametrize(
    "options",
    [
        ("in_memory", 1), ("multi_threading", 1), ("multi_threading", 2), ("multi_threading", 3),
        pytest.param(("multi_processing", 1), marks=pytest.mark.slow), ("multi_processing", 2),
        pytest.param(("multi_processing", 3), marks=pytest.mark.slow),
    ],
)  # fmt: skip
def test_every_mode_with_any_number_of_workers_gives_the_same_bytes(inputs, plain, tmp_path, options):
    mode, workers = options
    more = ("--direct_running_mode", mode, "--direct_num_workers", workers)
    assert run(main, "pipeline", inputs.arguments(tmp_path / "out", *more)) == 0
    assert len(read_manifest(plain).shards_of("train")) > 3
    assert tree(tmp_path / "out") == tree(plain)


def test_a_runner_that_would_store_what_only_streams_says_so():
    def build(graph: beam.Pipeline) -> None:
        streams = graph | beam.Create([1]) | beam.Map(lambda unit: Stream(unit, iter(()))).with_output_types(Stream)
        _ = streams | beam.Reshuffle()

    with pytest.raises(RunError, match="the runner does not fuse the steps"):
        run_graph(build, beam_options([]))


@pytest.mark.slow
def test_the_order_of_pages_between_runs_does_not_matter_to_take_and_processes_agree(inputs, tmp_path):
    for name, more in (("a", ()), ("b", ("--direct_running_mode", "multi_processing", "--direct_num_workers", 2))):
        assert run(main, "pipeline", inputs.arguments(tmp_path / name, "--take", "5,3", *more)) == 0
    assert tree(tmp_path / "a") == tree(tmp_path / "b")
    counts = read_manifest(tmp_path / "a").counts
    assert (counts.train_articles, counts.validation_articles, counts.left_out["not_taken"]) == (5, 3, 24)


def test_every_page_has_a_fate(plain):
    counts = read_manifest(plain).counts
    assert (counts.pages, counts.articles, counts.redirects, counts.dead_letters) == (37, 33, 2, 1)
    assert counts.left_out == {"empty_text": 1, "namespace:1": 1, "namespace:14": 1}
    assert counts.train_articles + counts.validation_articles == 31
    [letter] = [json.loads(line) for line in (plain / "dead_letters.jsonl").read_text().splitlines()]
    assert (letter["page_id"], letter["title"], letter["error"]) == (60, "Broken", "the page has no revision")
    assert "x-multistream.xml.bz2" in letter["where"]


def test_the_line_of_a_dead_letter_has_the_command_that_shows_its_page(inputs, plain, tmp_path, capsys, monkeypatch):
    for path in inputs.folder.glob("*.bz2"):  # and no params.yaml, which is elsewhere
        shutil.copy(path, tmp_path)
    monkeypatch.chdir(tmp_path)
    [letter] = [json.loads(line) for line in (plain / "dead_letters.jsonl").read_text().splitlines()]
    python, *arguments = shlex.split(letter["replay"])
    assert (python, *arguments[:2]) == ("python", "-m", "pipeline.show")
    assert run(show, "show", arguments[2:]) == 1
    assert "<title>Broken</title>" in capsys.readouterr().out


@pytest.mark.parametrize("chunking", ["pack", "document"])
def test_every_token_of_every_row_is_located_in_its_article(inputs, tmp_path, chunking):
    folder = tmp_path / "out"
    assert run(main, "pipeline", inputs.arguments(folder, "--chunking", chunking)) == 0
    manifest, encoder = read_manifest(folder), Encoder(inputs.tokenizer)
    located, origins = 0, Origins(folder, manifest)
    for split in ("train", "validation"):
        for number, row in enumerate(open_split(folder, manifest, split)["input_ids"].to_pylist()):
            for origin in origins.locate(split, number)[2]:
                [ids] = encoder.encode_batch([prose(origin.page_id)])
                if origin.page_id < 50:  # an article of `prose`
                    stream = [*ids.tolist(), encoder.end_of_text_id]
                    assert row[slice(*origin.row_tokens)] == stream[slice(*origin.article_tokens)]
                    assert origin.url == f"http://example.org/wiki/Article_{origin.page_id}"
                    assert origin.revision_id == origin.page_id + 1000
                    located += origin.row_tokens[1] - origin.row_tokens[0]
    assert located > 0.9 * sum(shard.tokens for shard in manifest.shards)


def test_the_card_lies_with_the_shards_and_the_manifest_vouches_for_it(plain):
    manifest = read_manifest(plain)
    assert (plain / "README.md").read_text() == card(manifest)
    assert "README.md" in [entry.path for entry in manifest.files]
    assert len(manifest.articles) == len(manifest.shards)


def test_the_last_line_is_the_ledger_and_the_time(inputs, tmp_path, capsys):
    assert run(main, "pipeline", inputs.arguments(tmp_path / "out")) == 0
    said = capsys.readouterr()
    result = json.loads(said.out.splitlines()[-1])
    assert result.pop("seconds") > 0
    assert result.pop("output") == str(tmp_path / "out")
    assert result == read_manifest(tmp_path / "out").counts.model_dump()
    assert "1 pages could not be read" in said.err
    assert re.search(r"\n  articles +33\n    train +\d+  \d+ rows of 16", said.err)
    assert said.err.splitlines()[-1].split() == ["output", str(tmp_path / "out")]


def test_what_goes_in_comes_out_in_order_and_an_end_of_text_only_ends_articles(inputs, plain):
    manifest, encoder = read_manifest(plain), Encoder(inputs.tokenizer)
    texts, ends = {}, 0
    for split in ("train", "validation"):
        table = open_split(plain, manifest, split)
        ids = [token for row in table["input_ids"].to_pylist() for token in row]
        ends += ids.count(encoder.end_of_text_id)
        texts[split] = encoder.decode(ids)
        for page_id, row in zip(table["page_id"].to_pylist(), table["input_ids"].to_pylist(), strict=True):
            piece = encoder.decode(row).split("<|endoftext|>")[0]
            assert page_id == 52 or piece.strip() in prose(page_id)
    assert ends <= manifest.counts.train_articles + manifest.counts.validation_articles
    assert sum(text.count("It ends with <|endoftext|> in the middle") for text in texts.values()) == 1
    assert (
        manifest.counts.tokens
        == CHUNK * (manifest.row_count("train") + manifest.row_count("validation")) + manifest.counts.tail_tokens
    )


def test_datasets_loads_both_splits_memory_mapped(plain, tmp_path):
    both = datasets.load_from_disk(str(plain))
    by_card = datasets.load_dataset(str(plain), cache_dir=str(tmp_path))
    assert list(both) == list(by_card) == ["train", "validation"]
    for split in both:
        loaded = datasets.load_from_disk(str(plain / split))
        assert len(loaded) == read_manifest(plain).row_count(split) > 0
        assert loaded.features["input_ids"].length == CHUNK
        assert loaded.cache_files == both[split].cache_files != []
        assert loaded["input_ids"][:] == both[split]["input_ids"][:] == by_card[split]["input_ids"][:]


def test_a_split_without_rows_is_a_dataset_without_rows(inputs, tmp_path):
    given = inputs.arguments(tmp_path / "out", "--validation-fraction", "0")
    assert run(main, "pipeline", given) == 0
    assert datasets.load_from_disk(str(tmp_path / "out")).num_rows["validation"] == 0
    assert list(datasets.load_dataset(str(tmp_path / "out"), cache_dir=str(tmp_path))) == ["train"]


def test_shards_without_the_file_for_both_splits_as_earlier_versions_made_them_are_whole(plain, tmp_path):
    old = shutil.copytree(plain, tmp_path / "old")
    manifest = read_manifest(old)
    files = [entry for entry in manifest.files if entry.path != "dataset_dict.json"]
    assert len(files) == len(manifest.files) - 1
    (old / "dataset_dict.json").unlink()
    (old / "manifest.json").write_bytes(manifest_bytes(manifest.model_copy(update={"files": files})))
    assert run(verify, "verify", [str(old)]) == 0


def test_without_dead_letters_their_file_is_one_empty_line_which_readers_of_json_lines_skip(inputs, tmp_path):
    dump = make_dump(tmp_path / "y.xml", small_wiki()[:-1])
    assert run(main, "pipeline", inputs.arguments(tmp_path / "out", "--source", dump)) == 0
    letters = tmp_path / "out" / "dead_letters.jsonl"
    assert letters.read_bytes() == b"\n"  # of a file of 0 bytes DVC warns
    assert pandas.read_json(letters, lines=True).empty


def test_an_article_keeps_its_split_in_another_dump_chunking_and_chunk_length(inputs, plain, tmp_path):
    other = make_dump(tmp_path / "y.xml.gz", [page for page in reversed(small_wiki()) if page.id % 3])
    more = ("--source", other, "--chunking", "document", "--chunk-tokens", "8")
    assert run(main, "pipeline", inputs.arguments(tmp_path / "out", *more)) == 0
    for folder in (plain, tmp_path / "out"):
        splits = [
            set(open_split(folder, read_manifest(folder), split)["page_id"].to_pylist())
            for split in ("train", "validation")
        ]
        assert not splits[0] & splits[1]
        if folder == plain:
            before = splits
    assert not before[0] & splits[1]
    assert not before[1] & splits[0]


def test_parquet_gives_what_its_texts_give(inputs, tmp_path):
    table = {"id": [str(n) for n in range(10, 30)], "url": [""] * 20, "title": [f"T{n}" for n in range(10, 30)]}
    pq.write_table(
        pa.table({**table, "text": [prose(n) for n in range(10, 30)]}), tmp_path / "a.parquet", row_group_size=4
    )
    assert run(main, "pipeline", inputs.arguments(tmp_path / "out", "--source", tmp_path / "a.parquet")) == 0
    counts = read_manifest(tmp_path / "out").counts
    assert (counts.pages, counts.articles) == (20, 20)
    assert counts.text_bytes == sum(len(prose(n)) for n in range(10, 30))


def test_an_earlier_set_is_replaced_whole(inputs, plain, tmp_path):
    shutil.copytree(plain, tmp_path / "out")
    assert run(main, "pipeline", inputs.arguments(tmp_path / "out", "--unit-bytes", 10**6)) == 0
    manifest = read_manifest(tmp_path / "out")
    assert manifest.source.units == 1
    assert {path.name for path in (tmp_path / "out" / "train").glob("*.arrow")} == {"data-00000-of-00001.arrow"}
    assert list(problems(tmp_path / "out", manifest, hashes=True)) == []


def test_fewer_articles_than_taken_are_told_with_the_flag_that_helps(inputs, tmp_path, capsys):
    assert run(main, "pipeline", inputs.arguments(tmp_path / "out", "--take", "2,500")) == 0
    assert "of the 500 validation articles" in (said := capsys.readouterr().err)
    assert "--validation-fraction" in said


@pytest.mark.parametrize(
    ("more", "status", "named"),
    [
        (("--source", "nowhere-multistream.xml.bz2"), None, "nowhere"),
        (("--tokenizer", "nowhere"), 1, "python -m pipeline.tokenizer"),
        (("--take", "5"), 2, "--take"),
        (("--take", "a,b"), 2, "--take"),
        (("--take", "-1,3"), 2, "--take"),
        (("--take", "0,0"), 2, "take"),
        (("--chunking", "packed"), 2, "--chunking"),
        (("--chunk-tokens", "0"), 2, "--chunk-tokens"),
        (("--chunk-tokens", "many"), 2, "--chunk-tokens"),
        (("--validation-fraction", "1.5"), 2, "--validation-fraction"),
        (("--unit-bytes", "0"), 2, "--unit-bytes"),
        (("--params", "nowhere.yaml"), 2, "nowhere.yaml"),
        (("--chunk-token", "9"), 2, "--chunk-token"),
        (("--direct_num_worker", "9"), 2, "--direct_num_worker"),
        (("--direct_running_mode", "fast"), 2, "direct_running_mode"),
        (("--runner", "Sprinter"), 2, "Sprinter"),
        (("--runner=FlinkRunner", "--no-such-flag"), 2, "--no-such-flag"),
        (("stray",), 2, "stray"),
        (("--max-dead-fraction", "0.01"), 1, "shards.max_dead_fraction"),
    ],
)
def test_a_mistake_ends_in_one_line_that_names_it_and_leaves_nothing(inputs, tmp_path, capsys, more, status, named):
    ended_with, line = ended(capsys, inputs, tmp_path / "out", *more)
    assert ended_with == status or (status is None and ended_with in (1, 2))
    assert named in line
    if named == "shards.max_dead_fraction":  # all is done then, and another fraction may finish it
        assert "units are done and kept" in line
        assert final_names(tmp_path / "out") == []
    else:
        assert not (tmp_path / "out").exists()


@pytest.mark.parametrize(
    ("pages", "why"),
    [
        ([Page(1, "A", redirect="B")], "none of its 1 pages is an article (1 redirect)"),
        ([Page(1, "A", "")], "1 of its 1 articles have no prose: they are empty, as in a stub dump"),
        ([Page(1, "A", "short")], "its 1 articles together are shorter than a row"),
    ],
)
def test_a_run_that_makes_no_row_fails_says_why_and_publishes_nothing(
    tmp_path: Path, tiny_tokenizer: Path, capsys: pytest.CaptureFixture[str], pages: list[Page], why: str
) -> None:
    path, output = make_dump(tmp_path / "a.xml", pages), tmp_path / "out"
    arguments = ["--source", str(path), "--tokenizer", str(tiny_tokenizer), "--output", str(output)]
    assert run(main, "pipeline", [*arguments, "--params", str(ROOT / "params.yaml")]) == 1
    assert why in capsys.readouterr().err
    assert not output.exists()


@pytest.mark.parametrize(
    ("old", "new", "named"),
    [
        ("chunk_tokens: 16", "chunk_tokens: sixteen", "shards.chunk_tokens"),
        ("chunk_tokens: 16", "chunk_token: 16", "did you mean 'chunk_tokens'"),
        ("take: null", "take: [1]", "split.take"),
        ("unit_bytes: 700", "unit_bytes: 1.5", "source.unit_bytes"),
        ("shards:", "shard:", "section 'shards' is missing"),
    ],
)
def test_params_of_a_wrong_type_or_name_are_named(inputs, tmp_path, capsys, old, new, named):
    (tmp_path / "p.yaml").write_text(inputs.params.read_text().replace(old, new))
    status, line = ended(capsys, inputs, tmp_path / "out", "--params", tmp_path / "p.yaml")
    assert status == 2
    assert named in line
    assert not (tmp_path / "out").exists()


def test_a_folder_that_holds_something_else_is_left_alone(inputs, tmp_path, capsys):
    (tmp_path / "thesis.txt").write_text("mine")
    status, line = ended(capsys, inputs, tmp_path)
    assert status == 2
    assert "--output" in line
    assert tree(tmp_path) == {"thesis.txt": b"mine"}


@pytest.mark.parametrize("cut", [0.4, 0.95])
def test_a_truncated_dump_names_the_file_and_publishes_nothing(inputs, plain, tmp_path, capsys, cut):
    dump = tmp_path / "t.xml.bz2"
    whole = make_dump(tmp_path / "w.xml.bz2", small_wiki()).read_bytes()
    dump.write_bytes(whole[: int(len(whole) * cut)])
    shutil.copytree(plain, tmp_path / "out")
    status, line = ended(capsys, inputs, tmp_path / "out", "--source", dump)
    assert status == 1
    assert str(dump) in line
    assert tree(tmp_path / "out") == tree(plain)  # what was finished before stays finished


@pytest.mark.parametrize("mode", ["in_memory", "multi_threading"])
def test_a_disk_that_takes_no_more_is_named_and_nothing_is_left(inputs, tmp_path, capsys, mode):
    with files_of_at_most(1500):
        status, line = ended(capsys, inputs, tmp_path / "out", "--unit-bytes", 9999, "--direct_running_mode", mode)
    assert status == 1
    assert ".arrow" in line
    assert not (tmp_path / "out").exists()


@pytest.mark.skipif(os.geteuid() != 0 or sys.platform != "linux", reason="mounting a small file system takes root")
def test_no_space_left_is_told_as_such_and_with_more_the_run_goes_on(inputs, plain, tmp_path, capsys):
    (tmp_path / "small").mkdir()
    mounted = subprocess.run(["mount", "-t", "tmpfs", "-o", "size=16k", "none", tmp_path / "small"], check=False)
    if mounted.returncode:
        pytest.skip("this root may not mount")
    try:
        status, line = ended(capsys, inputs, tmp_path / "small" / "out")
        assert status == 1
        assert "no space left on the device" in line
        assert final_names(tmp_path / "small" / "out") == []
        subprocess.run(["mount", "-o", "remount,size=1m", tmp_path / "small"], check=True)
        assert run(main, "pipeline", inputs.arguments(tmp_path / "small" / "out")) == 0
        assert tree(tmp_path / "small" / "out") == tree(plain)
    finally:
        subprocess.run(["umount", tmp_path / "small"], check=True)


def test_help_teaches_without_waiting_for_beam():
    script = "import sys\nfrom pipeline.__main__ import main\ntry: main(['--help'])\n"
    script += "except SystemExit: print('apache_beam' in sys.modules)"
    done = subprocess.run([sys.executable, "-c", script], cwd=ROOT, capture_output=True, text=True, check=True)
    assert done.stdout.splitlines()[-1] == "False"
    assert "--take TRAIN,VALIDATION" in done.stdout
    assert "Examples:" in done.stdout


@pytest.mark.skipif(not SHARED.is_dir(), reason="the real dumps are not there (WIKILM_SHARED names their folder)")
def test_the_english_sample_has_all_its_articles_in_shards(tmp_path, inputs):
    dump = SHARED / "enwiki-20160501-sample-pages-articles-multistream.xml.bz2"
    more = (
        "--source",
        dump,
        "--unit-bytes",
        "300000",
        "--take",
        "9,3",
        "--chunking",
        "document",
        "--chunk-tokens",
        "128",
    )
    assert run(main, "pipeline", inputs.arguments(tmp_path / "out", *more)) == 0
    counts = read_manifest(tmp_path / "out").counts
    assert (counts.pages, counts.articles, counts.redirects) == (206, 106, 99)
    assert (counts.train_articles, counts.validation_articles) == (9, 3)
    assert run(verify, "verify", [str(tmp_path / "out")]) == 0
