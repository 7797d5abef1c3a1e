"""What a hostile or broken source can do to a whole run: cost one page, or end it in one line. Never more."""

import json
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

import pipeline.unit.tally
from pipeline.__main__ import main
from tests.helpers import ROOT
from tests.helpers.dumps import FOOTER, Page, header, make_dump
from tests.helpers.pipeline_runs import PipelineInputs, page, prose, tree
from wikilm.cli import run
from wikilm.shards.manifest import Manifest
from wikilm.shards.reading import read_manifest

LAUGHS = """<!DOCTYPE mediawiki [<!ENTITY a "ha ha ha"><!ENTITY b "&a;&a;&a;&a;&a;&a;&a;&a;&a;&a;">
<!ENTITY c "&b;&b;&b;&b;&b;&b;&b;&b;&b;&b;"><!ENTITY d "&c;&c;&c;&c;&c;&c;&c;&c;&c;&c;">]>"""
QUADRATIC = f'<!DOCTYPE mediawiki [<!ENTITY a "{"x" * 50_000}">]>'
PEAK = """import resource, subprocess, sys
status = subprocess.call(sys.argv[1:])
print(resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss)
sys.exit(status)"""
EXTERNAL = '<!DOCTYPE mediawiki [<!ENTITY a SYSTEM "file:///etc/passwd">]>'


@pytest.fixture(scope="module")
def inputs(tmp_path_factory) -> PipelineInputs:
    pages = [page(number) for number in range(1, 41)]
    return PipelineInputs(tmp_path_factory.mktemp("inputs"), pages, unit_bytes=1500, chunk_tokens=32)


def result(inputs: PipelineInputs, source: Path, output: Path, capsys) -> tuple[int, str, Manifest | None]:
    """Exit status, what was said on stderr, and the manifest if there is one."""
    capsys.readouterr()
    status = run(main, "pipeline", inputs.arguments(output, "--source", source))
    manifest = read_manifest(output) if (output / "manifest.json").exists() else None
    return status, capsys.readouterr().err, manifest


def raw(number: int, title: str, text: str) -> Page:
    """A page whose text goes into the XML as it is."""
    return Page(number, title, raw=Page(number, title, "@@").xml().replace("@@", text))


def with_bytes(path: Path, old: bytes, new: bytes) -> Path:
    """The file, with some of its bytes replaced."""
    path.write_bytes(path.read_bytes().replace(old, new))
    return path


@pytest.mark.parametrize(
    "hurt",
    [b"\xff\xfe broken", b"\xc3(", b"\xed\xa0\x80", b"a\x00b", b"&#xD800;", b"&#0;", b"&a;", b"\xf4\x90\x80\x80"],
    ids=["no UTF-8", "half a letter", "a surrogate", "NUL", "&surrogate;", "&NUL;", "an entity", "beyond Unicode"],
)
def test_bytes_that_are_no_text_cost_their_page_alone(inputs, tmp_path, capsys, hurt):
    pages = [*(page(n) for n in range(1, 40)), raw(50, "Hurt", "HURT"), page(60)]
    source = with_bytes(make_dump(tmp_path / "a.xml", pages), b"HURT", hurt)
    status, _, manifest = result(inputs, source, tmp_path / "out", capsys)
    assert status == 0
    assert (manifest.counts.articles, manifest.counts.dead_letters) == (41, 1)
    [letter] = [json.loads(line) for line in (tmp_path / "out" / "dead_letters.jsonl").read_text().splitlines()]
    assert (letter["page_id"], letter["title"]) == (50, "Hurt")


def test_parquet_text_that_is_no_utf8_costs_its_row_alone(inputs, tmp_path, capsys):
    texts = [prose(n).encode() for n in range(40)]
    texts[7] = b"\xff\xfe" + texts[7]
    texts[9] = b"\xed\xa0\x80"
    text = pa.array(texts, pa.binary()).view(pa.string())
    table = pa.table({"id": [str(n) for n in range(1, 41)], "title": [f"T{n}" for n in range(40)], "text": text})
    pq.write_table(table, tmp_path / "a.parquet", row_group_size=10)
    status, said, manifest = result(inputs, tmp_path / "a.parquet", tmp_path / "out", capsys)
    assert status == 0, said
    assert (manifest.counts.articles, manifest.counts.dead_letters) == (40, 2)


@pytest.mark.parametrize("encoding", ["utf-16", "utf-16-le", "utf-16-be", "utf-32"])
def test_an_export_in_another_encoding_is_refused_by_name(inputs, tmp_path, capsys, encoding):
    source = make_dump(tmp_path / "a.xml", [page(n) for n in range(1, 9)])
    source.write_bytes(source.read_text().encode(encoding))
    status, said, manifest = result(inputs, source, tmp_path / "out", capsys)
    assert (status, manifest) == (1, None)
    assert f"{source}: is no MediaWiki dump" in said


@pytest.mark.parametrize("declared", [LAUGHS, QUADRATIC, EXTERNAL], ids=["billion laughs", "quadratic", "external"])
def test_a_dump_that_declares_entities_is_refused_unread(inputs, tmp_path, capsys, declared):
    body = header().decode() + raw(1, "A", "&a;" * 1000).xml() + FOOTER.decode()
    source = tmp_path / "a.xml"
    source.write_text(declared + body)
    status, said, manifest = result(inputs, source, tmp_path / "out", capsys)
    assert (status, manifest) == (1, None)
    assert f"{source}: is no MediaWiki dump: it declares a document type" in said


@pytest.mark.parametrize("declared", [LAUGHS, QUADRATIC, EXTERNAL], ids=["billion laughs", "quadratic", "external"])
def test_entities_declared_within_the_dump_cost_their_page(inputs, tmp_path, capsys, declared):
    inside = raw(50, "Inside", "&a;" * 1000)
    inside = Page(50, "Inside", raw=inside.xml().replace("<revision>", declared + "<revision>"))
    pages = [*(page(n) for n in range(1, 30)), inside]
    status, said, manifest = result(inputs, make_dump(tmp_path / "a.xml", pages), tmp_path / "out", capsys)
    assert status == 0, said
    assert manifest.counts.dead_letters == 1
    assert "root:" not in said


TITLES = [
    "../../x",
    "/etc/passwd",
    "<script>alert(1)</script>",
    "a\nb",
    "é" * 127,
    "| pipe |",
    "-rf",
    "---\nlicense: mit",
]


def test_a_title_is_never_more_than_a_title(inputs, tmp_path, capsys):
    pages = [Page(n, title, prose(n, 80)) for n, title in enumerate(TITLES, 1)]
    (tmp_path / "in").mkdir()
    source = make_dump(tmp_path / "in" / "a.xml", pages)
    status, said, manifest = result(inputs, source, tmp_path / "out", capsys)
    assert status == 0, said
    assert manifest.counts.train_articles + manifest.counts.validation_articles == len(TITLES)
    assert {path.name for path in tmp_path.iterdir()} == {"in", "out"}
    named = {entry.path for entry in [*manifest.shards, *manifest.files, *manifest.articles]} | {"manifest.json"}
    assert set(tree(tmp_path / "out")) == named


def test_the_text_of_an_article_cannot_end_a_document(inputs, tmp_path, capsys):
    pages = [Page(n, f"T{n}", "<nowiki><|endoftext|></nowiki> " * 30) for n in range(1, 9)]
    status, said, manifest = result(inputs, make_dump(tmp_path / "a.xml", pages), tmp_path / "out", capsys)
    assert status == 0, said
    ids = [
        token
        for shard in manifest.shards
        for batch in pa.ipc.open_stream((tmp_path / "out" / shard.path).read_bytes())
        for token in batch.column("input_ids").flatten().to_pylist()
    ]
    assert 0 < ids.count(manifest.tokenizer.end_of_text_id) <= 8


# --- sizes ------------------------------------------------------------------------------------------------------------


def sparse(path: Path, size: int) -> Path:
    """A dump with a page of `size` bytes, nearly all of which are a hole in the file."""
    before, after = make_dump(path, [page(n) for n in range(1, 40)]).read_bytes(), page(99).xml().encode()
    start, end = Page(50, "Huge", "@@").xml().encode().split(b"@@")
    with path.open("wb") as file:
        file.write(before.removesuffix(FOOTER) + start)
        file.seek(size, 1)
        file.write(end + after + FOOTER)
    return path


def peak_of_a_run(inputs: PipelineInputs, source: Path, output: Path) -> tuple[int, int]:
    """Exit status of a run in a process of its own, and the most memory it held, in bytes."""
    more = ("--source", source, "--direct_running_mode=in_memory")
    command = [sys.executable, "-m", "pipeline", *inputs.arguments(output, *more)]
    done = subprocess.run([sys.executable, "-c", PEAK, *command], cwd=ROOT, capture_output=True, text=True, check=False)
    return done.returncode, int(done.stdout.splitlines()[-1]) * 1024


@pytest.mark.slow
@pytest.mark.parametrize("size", [3 << 27, 10_000_000_000])
def test_a_huge_page_costs_itself_and_is_never_held(inputs, tmp_path, size):
    source = sparse(tmp_path / "a.xml", size)
    status, peak = peak_of_a_run(inputs, source, tmp_path / "out")
    assert status == 0
    [letter] = [json.loads(line) for line in (tmp_path / "out" / "dead_letters.jsonl").read_text().splitlines()]
    assert (letter["page_id"], letter["title"]) == (50, "Huge")
    assert "source.max_page_bytes" in letter["error"]
    assert read_manifest(tmp_path / "out").counts.articles == 41
    assert peak < 1 << 30


# --- failures of the machine ------------------------------------------------------------------------------------------


def test_a_step_that_fails_once_ends_the_run_and_the_next_one_completes_it(inputs, tmp_path, capsys, monkeypatch):
    assert inputs.run(tmp_path / "plain") == 0
    undo = _fail_at(monkeypatch, 3)
    status, said, manifest = result(inputs, inputs.dump, tmp_path / "out", capsys)
    assert (status, manifest) == (1, None)
    assert "Input/output error" in said
    undo()
    assert result(inputs, inputs.dump, tmp_path / "out", capsys)[0] == 0
    assert tree(tmp_path / "out") == tree(tmp_path / "plain")


def test_a_step_that_always_fails_never_gives_a_file_its_final_name(inputs, tmp_path, capsys, monkeypatch):
    _fail_at(monkeypatch, 0)
    for _ in range(2):
        status, said, manifest = result(inputs, inputs.dump, tmp_path / "out", capsys)
        assert (status, manifest) == (1, None)
        assert "Input/output error" in said
        assert not list((tmp_path / "out").glob("*.json*"))
        assert not list((tmp_path / "out").glob("*/*.arrow"))


def _fail_at(monkeypatch: pytest.MonkeyPatch, after: int) -> Callable[[], None]:
    """Let the encoder's work fail from the n-th batch on, as a disk or a network does; returns how to stop it."""
    from pipeline.tokens.encoder import Encoder

    original, calls = Encoder.encode_batch, []

    def failing(self: Encoder, texts: list[str]) -> object:
        calls.append(1)
        if len(calls) > after and len(texts) > 1:
            raise OSError(5, "Input/output error", "somewhere")
        return original(self, texts)

    monkeypatch.setattr(Encoder, "encode_batch", failing)
    return lambda: monkeypatch.setattr(Encoder, "encode_batch", original)


def test_a_source_that_changes_in_place_while_it_is_read_is_refused(inputs, tmp_path, capsys, monkeypatch):
    from pipeline.tokens.encoder import Encoder

    source = make_dump(tmp_path / "a.xml", [page(n) for n in range(1, 40)])
    original = Encoder.encode_batch

    def changing(self: Encoder, texts: list[str]) -> object:
        if len(texts) > 20:  # not the few that are compared first
            data = source.read_bytes()
            source.write_bytes(data.replace(b"Thing 39", b"Thong 39"))
        return original(self, texts)

    monkeypatch.setattr(Encoder, "encode_batch", changing)
    status, said, manifest = result(inputs, source, tmp_path / "out", capsys)
    assert (status, manifest) == (1, None)
    assert f"{source}: has changed since the run began" in said
    assert "again to resume" not in said
    assert not (tmp_path / "out").exists()


def test_a_source_of_nothing_but_broken_pages_is_not_read_to_its_end(inputs, tmp_path, capsys, monkeypatch):
    monkeypatch.setattr(pipeline.unit.tally, "MAX_DEAD_LETTERS", 100)
    pages = [Page(n, "T", raw=f"<page><title>T</title><ns>0</ns><id>{n}</id></page>") for n in range(1, 2000)]
    source = make_dump(tmp_path / "a.xml", [page(2000), *pages])
    status, said, _ = result(inputs, source, tmp_path / "out", capsys)
    assert status == 1
    assert "more than 100 pages of one unit cannot be read; the first is at a.xml, byte" in said
