"""Several wikis are one corpus: the same bytes in whatever order they are named, and every article knows its wiki."""

import json
import shlex
from collections.abc import Sequence
from pathlib import Path

import datasets
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

import pipeline.unit.steps
from pipeline.__main__ import main
from pipeline.articles.split import in_share, split_of
from pipeline.articles.wiki import Wiki
from pipeline.locate import main as locate
from pipeline.output.reports import UnitReport, write_report
from pipeline.settings import SplitSettings
from pipeline.show import main as show
from pipeline.storage import Place
from pipeline.tokenizer import main as tokenizer
from pipeline.verify import main as verify
from tests.helpers.dumps import NAMESPACES, Page, make_dump
from tests.helpers.pipeline_runs import PipelineInputs, prose, small_wiki, tree, units_done
from wikilm.cli import run
from wikilm.shards import manifest_bytes, open_split, read_manifest

SPLIT = SplitSettings(seed=0, validation_fraction=0.3)  # as the params of `PipelineInputs` say
IN_ONE = ("--direct_running_mode", "in_memory")
# The page ids are those of the other wiki, too; one page is there twice, and one link is to a category of this wiki.
ELSEWHERE = [
    *(Page(number, f"Artikel {number}", prose(number + 500)) for number in range(5, 60, 2)),
    Page(9, "Artikel 9", prose(1009), revision=9999),
    Page(70, "Biene", f"Die '''Biene''' [[Kategorie:Tiere]] [[Category:Things]] {prose(70)}"),
    Page(71, "Kaputt", raw="<page><title>Kaputt</title><ns>0</ns><id>71</id></page>"),
]


@pytest.fixture(scope="module")
def inputs(tmp_path_factory: pytest.TempPathFactory) -> PipelineInputs:
    return PipelineInputs(tmp_path_factory.mktemp("inputs"), small_wiki())


@pytest.fixture(scope="module")
def other(inputs: PipelineInputs) -> Path:
    names = NAMESPACES | {14: "Kategorie"}
    base = "https://de.wikipedia.org/wiki/Hauptseite"
    return make_dump(inputs.folder / "de.xml.bz2", ELSEWHERE, names, language="de", database="dewiki", base=base)


@pytest.fixture(scope="module")
def both(inputs: PipelineInputs, other: Path) -> Path:
    assert run_of(inputs, "both", [inputs.dump, other]) == 0
    return inputs.folder / "both"


def run_of(inputs: PipelineInputs, output: str | Path, sources: Sequence[object], *more: object) -> int:
    """Run with these sources, each a path or a path and a share."""
    flags: list[object] = []
    for source in sources:
        path, *share = source if isinstance(source, tuple) else (source,)
        flags += ["--source", path, *(("--share", *share) if share else ())]
    mode = () if "--direct_running_mode" in more else IN_ONE
    return run(main, "pipeline", inputs.arguments(inputs.folder / output, *flags, *more, *mode))


def articles_of(folder: Path) -> list[tuple[str, int]]:
    """Wiki and page id of every article in shards, in their order."""
    tables = [
        pa.ipc.open_stream((folder / entry.path).read_bytes()).read_all() for entry in read_manifest(folder).articles
    ]
    rows = [row for table in tables for row in table.to_pylist()]
    return [(row.get("wiki", ""), row["page_id"]) for row in rows]


@pytest.mark.parametrize(
    "mode", [("in_memory", 1), ("multi_threading", 2), pytest.param(("multi_processing", 2), marks=pytest.mark.slow)]
)
def test_the_order_in_which_sources_are_named_and_the_workers_have_no_say(
    inputs: PipelineInputs, other: Path, both: Path, tmp_path: Path, mode: tuple[str, int]
) -> None:
    flags = ("--direct_running_mode", mode[0], "--direct_num_workers", mode[1])
    assert run_of(inputs, tmp_path / "out", [other, inputs.dump], *flags) == 0
    assert tree(tmp_path / "out") == tree(both)
    assert [entry.wiki for entry in read_manifest(both).mixture or ()] == ["dewiki", "miniwiki"]


def test_an_interrupted_run_is_resumed_in_the_other_order(
    inputs: PipelineInputs, other: Path, both: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:  # fmt: skip
    def fails_after_three(work: Place, report: UnitReport) -> None:
        if units_done(tmp_path / "out") == 3:
            raise OSError("no space left")
        write_report(work, report)

    monkeypatch.setattr(pipeline.unit.steps, "write_report", fails_after_three)
    assert run_of(inputs, tmp_path / "out", [inputs.dump, other]) == 1
    monkeypatch.undo()
    capsys.readouterr()
    assert run_of(inputs, tmp_path / "out", [other, inputs.dump], "--dry-run") == 0
    plan = json.loads(capsys.readouterr().out)
    assert plan["unfinished"] == {"units": 3, "goes_on": True}
    assert [part["wiki"] for part in plan["mixture"]] == ["dewiki", "miniwiki"]
    assert run_of(inputs, tmp_path / "out", [other, (inputs.dump, 0.5)], "--dry-run") == 0
    assert json.loads(capsys.readouterr().out)["unfinished"] == {"units": 3, "goes_on": False}
    assert run_of(inputs, tmp_path / "out", [other, inputs.dump]) == 0
    assert "3 of" in capsys.readouterr().err
    assert tree(tmp_path / "out") == tree(both)


def test_an_article_is_one_of_its_wiki_and_its_split_is_by_wiki_and_page_id(both: Path) -> None:
    articles = articles_of(both)
    assert len(articles) == len(set(articles))
    ids = {wiki: {page_id for of, page_id in articles if of == wiki} for wiki in ("dewiki", "miniwiki")}
    assert ids["dewiki"] == {*range(5, 60, 2), 70}
    assert ids["dewiki"] & ids["miniwiki"]
    loaded = datasets.load_from_disk(str(both))
    for split in ("train", "validation"):
        assert loaded[split].num_rows == open_split(both, read_manifest(both), split).num_rows > 0
        starts = {(row["wiki"], row["page_id"]) for row in loaded[split].remove_columns("input_ids")}
        assert {wiki for wiki, _ in starts} == {"dewiki", "miniwiki"}
        assert all(split_of(SPLIT, page_id, Wiki(name=wiki)) == split for wiki, page_id in starts)


def test_each_wiki_has_its_line_of_the_ledger_and_they_add_up(inputs: PipelineInputs, other: Path, both: Path) -> None:
    manifest = read_manifest(both)
    de, mini = manifest.mixture or ()
    assert (de.counts.pages, de.counts.left_out, de.counts.dead_letters) == (31, {"repeated": 1}, 1)
    assert (mini.counts.pages, mini.counts.articles, mini.counts.dead_letters) == (37, 33, 1)
    assert manifest.counts.tokens == de.counts.tokens + mini.counts.tokens
    for name, value in (("articles", mini.counts.articles + 1), ("text_bytes", 1)):  # an equation, and a sum alone
        wrong = mini.model_copy(update={"counts": mini.counts.model_copy(update={name: value})})
        (inputs.folder / "wrong").mkdir(exist_ok=True)
        data = manifest_bytes(manifest.model_copy(update={"mixture": [de, wrong]}))
        (inputs.folder / "wrong" / "manifest.json").write_bytes(data)
        assert run(verify, "verify", [str(inputs.folder / "wrong")]) == 1


def test_verify_compares_each_source_with_what_is_said_of_its_wiki(
    inputs: PipelineInputs, other: Path, both: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run(verify, "verify", [str(both), "--source", str(other), "--source", str(inputs.dump)]) == 0
    changed = make_dump(tmp_path / "de.xml.bz2", ELSEWHERE[:-1], language="de", database="dewiki")
    assert run(verify, "verify", [str(both), "--source", str(changed)]) == 1
    assert "de.xml.bz2 has" in capsys.readouterr().err
    third = make_dump(tmp_path / "fr.xml.bz2", ELSEWHERE[:-1], language="fr", database="frwiki")
    assert run(verify, "verify", [str(both), "--source", str(third)]) == 1
    assert "is of none of the wikis in manifest.json (dewiki, miniwiki)" in capsys.readouterr().err


def test_locate_and_the_card_name_the_wiki_and_link_to_it(both: Path, capsys: pytest.CaptureFixture[str]) -> None:
    bases = {"dewiki": "https://de.wikipedia.org/wiki/", "miniwiki": "http://example.org/wiki/"}
    rows = open_split(both, read_manifest(both), "train").drop_columns("input_ids").to_pylist()
    for number in (0, len(rows) - 1):
        assert run(locate, "locate", ["--shards", str(both), "--row", str(number)]) == 0
        heading, *_, last = capsys.readouterr().out.splitlines()
        first = json.loads(last)["articles"][0]
        assert {name: first[name] for name in ("wiki", "page_id")} == rows[number]
        assert first["url"].startswith(bases[first["wiki"]])
        assert "wiki" in heading.split()
    text = (both / "README.md").read_text()
    assert "| fate | all | dewiki | miniwiki |" in text
    assert 'pretty_name: "dewiki + miniwiki, rows of 16 tokens"' in text
    assert "dewiki: The text is © Wikipedia contributors, under CC BY-SA 4.0" in text


def test_names_of_namespaces_are_those_of_each_wiki(
    inputs: PipelineInputs, both: Path, other: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:  # fmt: skip
    params = tmp_path / "params.yaml"
    mixture = f"mixture: [{inputs.dump}, {{path: {other}, share: 0.5}}]"
    params.write_text(inputs.params.read_text().replace("none.xml.bz2,", f"{inputs.folder}, {mixture},"))
    monkeypatch.setenv("COLUMNS", "200")
    assert run(show, "show", ["--params", str(params), "--wiki", "dewiki", "--title", "Biene"]) == 0
    assert "Tiere" not in capsys.readouterr().out.split("Kategorie:Tiere", 1)[1]
    assert run(show, "show", ["--params", str(params), "--title", "Biene"]) == 2
    assert "say with --wiki which of them: miniwiki, dewiki" in capsys.readouterr().err
    assert run(show, "show", ["--params", str(params), "--wiki", "frwiki", "--title", "Biene"]) == 2
    assert "--wiki frwiki: no source is of this wiki; there are miniwiki, dewiki" in capsys.readouterr().err
    monkeypatch.chdir(inputs.folder)
    letters = [json.loads(line) for line in (both / "dead_letters.jsonl").read_text().splitlines()]
    assert [(letter["wiki"], letter["page_id"]) for letter in letters] == [("dewiki", 71), ("miniwiki", 60)]
    for letter in letters:
        assert run(show, "show", shlex.split(letter["replay"])[3:]) == 1
        assert f"<title>{letter['title']}</title>" in capsys.readouterr().out


def test_a_larger_share_takes_all_that_a_smaller_one_does(inputs: PipelineInputs, other: Path, tmp_path: Path) -> None:
    found = {}
    for share in (0.3, 0.6):
        assert run_of(inputs, tmp_path / str(share), [inputs.dump, (other, share)]) == 0
        found[share] = set(articles_of(tmp_path / str(share)))
        de, mini = read_manifest(tmp_path / str(share)).mixture or ()
        assert (de.share, mini.share) == (share, 1.0)
        taken = [page for wiki, page in found[share] if wiki == "dewiki"]
        assert de.counts.left_out["not_in_share"] + len(taken) + de.counts.dead_letters == de.counts.articles
        assert "not_in_share" not in mini.counts.left_out
    assert found[0.3] < found[0.6]


def test_a_share_of_one_wiki_keeps_the_splits_of_the_whole(inputs: PipelineInputs, tmp_path: Path) -> None:
    assert run_of(inputs, tmp_path / "whole", [inputs.dump]) == 0
    assert run_of(inputs, tmp_path / "all", [(inputs.dump, 1.0)]) == 0
    assert tree(tmp_path / "all") == tree(tmp_path / "whole")
    assert run_of(inputs, tmp_path / "half", [(inputs.dump, 0.5)]) == 0
    half = articles_of(tmp_path / "half")
    assert half == [pair for pair in articles_of(tmp_path / "whole") if in_share(SPLIT, pair[1], Wiki(share=0.5))]
    [entry] = read_manifest(tmp_path / "half").mixture or ()
    assert (entry.wiki, entry.share) == ("miniwiki", 0.5)
    assert "| share of its articles | 0.5 |" in (tmp_path / "half/README.md").read_text()
    assert "wiki" not in open_split(tmp_path / "half", read_manifest(tmp_path / "half"), "train").column_names


def test_take_and_a_tokenizer_are_of_all_wikis_together(inputs: PipelineInputs, other: Path, tmp_path: Path) -> None:
    params = tmp_path / "params.yaml"
    params.write_text(inputs.params.read_text() + "tokenizer: {vocab_size: 300}\n")
    sources = [["--source", inputs.dump, "--source", other], ["--source", other, "--source", inputs.dump]]
    for name, named in zip("ab", sources, strict=True):
        more = ["--params", params, "--output", tmp_path / name]
        assert run(tokenizer, "tokenizer", [str(argument) for argument in (*named, *more, *IN_ONE)]) == 0
    assert tree(tmp_path / "a") == tree(tmp_path / "b")
    made = json.loads((tmp_path / "a/provenance.json").read_text())
    assert [entry["wiki"] for entry in made["mixture"]] == ["dewiki", "miniwiki"]
    assert run_of(inputs, tmp_path / "taken", [inputs.dump, other], "--take", "9,5") == 0
    counts = read_manifest(tmp_path / "taken").counts
    assert (counts.train_articles + counts.left_out["empty_text"], counts.validation_articles) == (9, 5)
    assert {wiki for wiki, _ in articles_of(tmp_path / "taken")} == {"dewiki", "miniwiki"}


def without_address(path: Path) -> Path:
    pq.write_table(pa.table({"id": [1], "title": ["A"], "text": [prose(1)]}), path)
    return path


def test_a_source_that_does_not_say_its_wiki_is_named_in_params(
    inputs: PipelineInputs, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    table = without_address(inputs.folder / "t.parquet")
    assert run_of(inputs, tmp_path / "out", [inputs.dump, table]) == 1
    assert "t.parquet: does not say of which wiki it is" in capsys.readouterr().err
    mixture = f"mixture: [{inputs.dump}, {{path: {table}, wiki: xwiki}}]"
    params = tmp_path / "params.yaml"
    params.write_text(inputs.params.read_text().replace("none.xml.bz2,", f"{inputs.folder}, {mixture},"))
    flags = ("--tokenizer", inputs.tokenizer, "--params", params, "--output", tmp_path / "out", *IN_ONE)
    assert run(main, "pipeline", [str(flag) for flag in flags]) == 0
    assert ("xwiki", 1) in articles_of(tmp_path / "out")
    params.write_text(params.read_text().replace(f"path: {inputs.folder},", "path: elsewhere,"))
    assert run(main, "pipeline", [str(flag) for flag in flags]) == 2
    assert "is not within source.path (elsewhere), which is what DVC hashes" in capsys.readouterr().err


def test_each_source_has_columns_of_its_own(
    inputs: PipelineInputs, tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    rows = [{"key": n, "body": prose(n), "link": f"https://fr.wikipedia.org/wiki/{n}"} for n in range(9)]
    table = Path("fr.jsonl")
    table.write_text("".join(json.dumps(row) + "\n" for row in [*rows, {"key": "x", "body": "a"}]))
    flag = "id=key,url=link,text=body"
    named = "columns: {id: key, text: body, url: link}"
    mixture = f"mixture: [{{path: {table}, {named}}}, {inputs.dump}]"
    params = tmp_path / "params.yaml"
    params.write_text(inputs.params.read_text().replace("path: none.xml.bz2,", f"path: /, {mixture},"))
    for output, flags in {
        "behind": ["--source", table, "--columns", flag, "--source", inputs.dump],
        "before": ["--columns", flag, "--source", inputs.dump, "--source", table],
        "params": ["--params", params],
    }.items():
        given = ["--tokenizer", inputs.tokenizer, "--params", inputs.params, *flags, "--output", output, *IN_ONE]
        assert run(main, "pipeline", [str(flag) for flag in given]) == 0
        assert tree(tmp_path / output) == tree(tmp_path / "behind")
    manifest = read_manifest(tmp_path / "behind")
    fr, mini = manifest.mixture or ()
    assert (manifest.limits.columns, fr.columns, mini.columns) == (
        None,
        dict(sorted(pair.split("=") for pair in flag.split(","))),
        None,
    )
    assert {page_id for wiki, page_id in articles_of(tmp_path / "behind") if wiki == "frwiki"} == set(range(9))
    assert "--source fr.jsonl --columns id=key,text=body,url=link" in (tmp_path / "behind/README.md").read_text()
    assert run(verify, "verify", ["behind", "--source", "fr.jsonl", "--source", str(inputs.dump)]) == 0
    assert run(show, "show", ["--params", str(params), "--wiki", "frwiki", "--page-id", "3"]) == 0
    monkeypatch.chdir(inputs.folder)
    Path("fr.jsonl").write_bytes((tmp_path / "fr.jsonl").read_bytes())
    for line in (tmp_path / "behind/dead_letters.jsonl").read_text().splitlines():
        capsys.readouterr()
        assert run(show, "show", shlex.split(json.loads(line)["replay"])[3:]) == 1
        assert "this page is a dead letter" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("arguments", "status", "named"),
    [
        (["--source", "{dump}", "--source", "{copy}"], 1, "copy.xml: is of miniwiki, and so is {dump}"),
        (["--source", "{dump}", "--source", "{dump}"], 2, "--source: {dump} is named twice in a mixture"),
        (["--source", "{dump}", "--share", "1.5"], 2, "--share: must be a number from 0 to 1, such as 0.5, not '1.5'"),
        (["--source", "{dump}", "--share", "nan"], 2, "--share: must be a number from 0 to 1"),
        (["--share", "0.5", "--source", "{dump}"], 2, "--share: belongs behind the --source that it is about"),
        (["--source", "{dump}", "--share", "0.5", "--share", "0.6"], 2, "--share: belongs behind the --source"),
        (["--source", "{dump}", "--source", "{folder}/none.xml"], 2, "--source: {folder}/none.xml: no such file"),
        (["--source", "{dump}", "--columns", "text=a"], 2, "{dump}: a dump has no columns; leave --columns (source"),
        (["--source", "{dump}", "--columns", "text=a", "--share", "0.5"], 2, "{dump}: is a dump, which has no columns"),
        (["--source", "{dump}", "--columns", "x=a", "--source", "y"], 2, "--columns: should be 'id', 'title', 'text'"),
        (["--source", "{dump}", "--source", ""], 2, "--source: "),
        (["--source", "{dump}", "--share", "0"], 1, "none of its 33 articles is within the share that is taken"),
    ],
)
def test_mistakes_end_in_one_line(
    inputs: PipelineInputs, tmp_path: Path, capsys: pytest.CaptureFixture[str], arguments: list[str], status: int,
    named: str,
) -> None:  # fmt: skip
    names = {"dump": inputs.dump, "folder": tmp_path, "copy": make_dump(tmp_path / "copy.xml", small_wiki())}
    given = [argument.format(**names) for argument in arguments]
    flags = ("--tokenizer", inputs.tokenizer, "--params", inputs.params, "--output", tmp_path / "out", *IN_ONE)
    try:
        ended = run(main, "pipeline", [*given, *map(str, flags)])
    except SystemExit as end:
        ended = end.code  # type: ignore[assignment]
    [line] = capsys.readouterr().err.strip().splitlines()
    assert ended == status
    assert named.format(**names) in line
    assert not (tmp_path / "out").exists()
