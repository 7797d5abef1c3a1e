"""Wherever a source lies, in files, on the web, in a store or on the hub, its pages and its shards are the same."""

import hashlib
import json
import os
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import fsspec
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from pipeline.__main__ import main
from pipeline.articles.article import Article
from pipeline.settings import SourceSettings
from pipeline.show import main as show
from pipeline.source.plan import Source, open_source
from pipeline.storage.reading import open_file
from tests.helpers import ROOT
from tests.helpers.dumps import Page, make_dump
from tests.helpers.http_server import http_server
from tests.helpers.hub_server import COMMIT, hub_environment, hub_server
from tests.helpers.proxy_server import forward_proxy
from tests.helpers.s3 import SECRET, s3_server
from wikilm.cli import run
from wikilm.errors import RunError, UsageError
from wikilm.shards.reading import read_manifest

CONTACT = "you@example.org"
PAGES = [Page(number, f"T{number}", f"A story of {number} words. " * (number % 7 + 3)) for number in range(1, 41)]
PARAMS = """
source: {path: none.xml.bz2, unit_bytes: 500}
split: {seed: 0, validation_fraction: 0.3, take: null}
shards: {chunk_tokens: 16, chunking: pack, max_dead_fraction: 0.1}
"""


def opened(path: Path | str, unit_bytes: int = 500) -> Source:
    return open_source(SourceSettings(path=str(path), unit_bytes=unit_bytes, contact=CONTACT))


def ids(source: Source) -> list[int]:
    return [page.page_id for unit in source.units for page in unit.pages(source.site) if isinstance(page, Article)]


def write_parquet(path: Path, pages: list[Page]) -> Path:
    rows = {"id": [str(page.id) for page in pages], "url": ["http://x.org/"] * len(pages)}
    rows |= {"title": [page.title for page in pages], "text": [page.text for page in pages]}
    rows["vector"] = [os.urandom(40_000).hex() for _ in pages]  # a wide column that nothing here needs
    path.parent.mkdir(parents=True, exist_ok=True)
    pq.write_table(pa.table(rows), path, row_group_size=4)
    return path


@pytest.fixture(scope="module")
def place(tiny_tokenizer: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder that is served: a dump, an export in parts, and Parquet; and beside it what a run needs."""
    folder = tmp_path_factory.mktemp("place")
    (folder / "www" / "parts").mkdir(parents=True)
    make_dump(folder / "www" / "x-multistream.xml.bz2", PAGES, pages_per_stream=4)
    make_dump(folder / "www" / "parts" / "x-p1p20.xml.bz2", PAGES[:20])
    make_dump(folder / "www" / "parts" / "x-p21p40.xml.bz2", PAGES[20:])
    write_parquet(folder / "www" / "wiki" / "20231101.en" / "train-00000-of-00002.parquet", PAGES[:20])
    write_parquet(folder / "www" / "wiki" / "20231101.en" / "train-00001-of-00002.parquet", PAGES[20:])
    (folder / "params.yaml").write_text(PARAMS)
    shutil.copytree(tiny_tokenizer, folder / "tokenizer")
    return folder


@pytest.fixture(scope="module")
def bucket(place: Path) -> Iterator[str]:
    """The same folder in a bucket of an S3 server on loopback."""
    with s3_server("dumps") as url:
        files = fsspec.filesystem("s3", skip_instance_cache=True)
        files.put(f"{place / 'www'}/", "dumps/www/", recursive=True)
        yield f"{url}/www"


def made(place: Path, output: Path, source: str, *more: str) -> Path:
    """Shards of a source."""
    asked = ["--source", source, "--contact", CONTACT, "--tokenizer", str(place / "tokenizer"), *more]
    assert run(main, "pipeline", [*asked, "--params", str(place / "params.yaml"), "--output", str(output)]) == 0
    return output


def same(one: Path, other: Path) -> None:
    """Two folders of shards differ in what manifest and card say of the source at most."""
    trees = [{path.relative_to(top): path.read_bytes() for path in top.rglob("*.*")} for top in (one, other)]
    manifests = [json.loads(tree.pop(Path("manifest.json"))) for tree in trees]
    assert all(manifest.pop("source")["units"] > 1 for manifest in manifests)
    for tree, manifest in zip(trees, manifests, strict=True):
        tree.pop(Path("README.md"))
        manifest.pop("sha256")
        manifest["files"] = [entry for entry in manifest["files"] if entry["path"] != "README.md"]
    assert manifests[0] == manifests[1]
    # A dataset card may name the source, too.
    assert {name: data for name, data in trees[0].items() if name.suffix != ".md"} == {
        name: data for name, data in trees[1].items() if name.suffix != ".md"
    }


@pytest.mark.parametrize("name", ["x-multistream.xml.bz2", "parts/", "wiki/20231101.en/"])
def test_a_file_or_folder_gives_the_same_shards_locally_over_http_and_from_s3(
    place: Path, bucket: str, tmp_path: Path, name: str
) -> None:
    local = made(place, tmp_path / "local", str(place / "www" / name))
    with http_server(place / "www") as server:
        web = made(place, tmp_path / "web", f"{server.url}/{name}")
        assert server.most_open <= 3
    stored = made(place, tmp_path / "s3", f"{bucket}/{name}")
    for other, start in ((web, "etag:"), (stored, "etag:")):
        same(local, other)
        entries = [read_manifest(folder).source for folder in (local, other)]
        assert [(file.name, file.bytes) for file in entries[0].files] == [
            (file.name, file.bytes) for file in entries[1].files
        ]
        assert all(file.checksum.startswith(start) for file in entries[1].files)
    assert SECRET not in b"".join(path.read_bytes() for path in stored.rglob("*.*")).decode("latin1")


def test_a_dump_by_name_gives_the_shards_of_its_file(place: Path, tmp_path: Path) -> None:
    folder = tmp_path / "www" / "xwiki" / "20260101"
    shutil.copytree(place / "www", folder)
    files = {
        path.name: {"size": path.stat().st_size, "sha1": hashlib.sha1(path.read_bytes()).hexdigest()}
        for path in folder.glob("x-multistream*")
    }
    jobs = {"articlesmultistreamdump": {"status": "done", "files": files}}
    (folder / "dumpstatus.json").write_text(json.dumps({"jobs": jobs}))
    with http_server(tmp_path / "www") as server:
        named = made(place, tmp_path / "named", "wikimedia:xwiki/latest", "--mirror", server.url)
    same(named, made(place, tmp_path / "local", str(folder / "x-multistream.xml.bz2")))
    assert read_manifest(named).source.checksum == f"sha1:{files['x-multistream.xml.bz2']['sha1']}"


@pytest.mark.slow
def test_worker_processes_read_through_a_proxy_with_three_connections(
    place: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    more = ("--direct_running_mode=multi_processing", "--direct_num_workers=2")
    host = "dumps.invalid"  # which the proxy alone knows
    with http_server(place / "www") as server, forward_proxy({f"{host}:80": server.url.removeprefix("http://")}) as to:
        for name in ("http_proxy", "https_proxy"):  # gRPC reads these two, and would take them to its workers here
            monkeypatch.setenv(name, to.url())
        for name in ("no_proxy", "NO_PROXY"):
            monkeypatch.delenv(name, raising=False)
        web = made(place, tmp_path / "web", f"http://{host}/x-multistream.xml.bz2", *more)
        assert server.most_open <= 3
        assert to.asked == [("GET", f"{host}:80")] * len(server.requests)
    same(web, made(place, tmp_path / "local", str(place / "www" / "x-multistream.xml.bz2")))


def test_a_dump_is_never_fetched_whole_and_show_fetches_one_stream(
    place: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    noise = "".join(f"{os.urandom(40).hex()} " for _ in range(400))
    many = [Page(number, f"T{number}", f"Story {number} {noise}") for number in range(1, 40)]
    path = make_dump(tmp_path / "y-multistream.xml.bz2", many, pages_per_stream=1)
    with http_server(tmp_path) as server:
        url = f"{server.url}/y-multistream.xml.bz2"
        assert run(show, "show", ["--source", url, "--contact", CONTACT, "--params", str(place / "params.yaml"),
                                  "--page-id", "20"]) == 0  # fmt: skip
        assert "Story 20" in capsys.readouterr().out
        assert server.sent < path.stat().st_size / 4
        server.sent = 0
        source = opened(url, 50_000)
        planned = server.sent
        assert planned < path.stat().st_size / 4, "the plan reads header, index and the last streams"
        unit = source.units[3]
        assert len(list(unit.pages(source.site))) > 0
        assert server.sent - planned == unit.bytes


def test_of_parquet_only_the_columns_that_are_needed_are_fetched(place: Path) -> None:
    with http_server(place / "www" / "wiki" / "20231101.en") as server:
        source = opened(f"{server.url}/train-00000-of-00002.parquet")
        assert ids(source) == list(range(1, 21))
        assert server.sent < source.entry.bytes / 2  # small as it is, most of it are the footers that each unit reads


def test_an_object_that_changes_after_the_plan_is_refused(place: Path, bucket: str) -> None:
    files = fsspec.filesystem("s3")
    data = (place / "www" / "x-multistream.xml.bz2").read_bytes()
    for name in ("x-multistream.xml.bz2", "x-multistream-index.txt.bz2"):
        files.copy(f"dumps/www/{name}", f"dumps/changing/{name}")
    source = opened("s3://dumps/changing/x-multistream.xml.bz2")
    file = source.units[0].parts[0].file
    with open_file(file, block=100) as stream:
        assert stream.read(10) == data[:10]
        files.pipe("dumps/changing/x-multistream.xml.bz2", data[::-1])
        with pytest.raises(RunError, match="has changed since the run began"):
            stream.read(1000)
    with pytest.raises(RunError, match="has changed since the run began"):
        ids(source)


def test_what_a_store_has_not_is_one_line(bucket: str, monkeypatch: pytest.MonkeyPatch) -> None:
    for path, said in (
        (f"{bucket}/none.xml.bz2", "no such file"),
        (f"{bucket}/none/", "no dump, .parquet or .jsonl file"),
        ("s3://no-such-bucket/a.xml.bz2", "no such"),
        ("nosuch://a/b.xml.bz2", "no such kind of address"),
        (f"{bucket}/wiki/20231101.en/train-00000-of-00002.parquet/x-multistream.xml.bz2", "no such"),
    ):
        with pytest.raises(RunError) as caught:
            opened(path)
        assert said in str(caught.value)
        assert "\n" not in str(caught.value)

    def missing(scheme: str) -> None:
        raise ImportError("Install s3fs")

    monkeypatch.setattr(fsspec, "filesystem", missing)
    with pytest.raises(UsageError, match="make setup"):
        opened("s3://bucket/a.xml.bz2")
    with pytest.raises(UsageError, match="make setup"):
        opened("gs://bucket/a.xml.bz2")


def test_any_file_system_of_fsspec_will_do(place: Path) -> None:
    files = fsspec.filesystem("memory")
    files.put(str(place / "www" / "parts"), "/parts", recursive=True)
    source = opened("memory://parts")
    assert ids(source) == [page.id for page in PAGES]
    files.pipe("/parts/x-p1p20.xml.bz2", b"BZh9" + b"x" * 2000)
    with pytest.raises(RunError, match="has changed since the run began"):
        ids(source)


HUB = """
import sys
from pipeline.__main__ import main
from wikilm.cli import run
params, tokenizer, output, *sources = sys.argv[1:]
for number, source in enumerate(sources):
    print(run(main, "pipeline", ["--source", source, "--params", params, "--tokenizer", tokenizer,
                                 "--output", f"{output}/{number}"]), file=sys.stderr)
"""


@pytest.mark.slow
def test_a_dataset_of_the_hub_is_pinned_to_a_commit_and_read_by_column(place: Path, tmp_path: Path) -> None:
    folder = place / "www" / "wiki"
    name = "datasets/wikimedia/wikipedia"
    sources = [f"hf://{name}/20231101.en", f"hf://{name}@v1/20231101.en/train-00001-of-00002.parquet"]
    wrong = [f"hf://{name}@none/20231101.en", "hf://datasets/wikimedia/none/a", "hf://gpt2/a", f"hf://{name}/2023.none"]
    with hub_server({name: folder}) as (address, requests):
        arguments = [place / "params.yaml", place / "tokenizer", tmp_path, *sources, *wrong]
        done = subprocess.run(
            [sys.executable, "-c", HUB, *map(str, arguments)],
            cwd=ROOT, env=os.environ | hub_environment(address, tmp_path / "home"),
            capture_output=True, text=True, timeout=600, check=False,
        )  # fmt: skip
    lines = done.stderr.splitlines()
    assert "Traceback" not in done.stderr, done.stderr
    assert [line for line in lines if line.isdecimal()] == ["0", "0", "1", "1", "2", "2"], done.stderr
    told = [line for line in lines if "error:" in line]
    assert len(told) == len(wrong), done.stderr
    for line, said in zip(
        told, ["no such revision", "no such dataset", "is no dataset of the hub", "no dump, .parquet or"], strict=True
    ):
        assert said in line
    source = read_manifest(tmp_path / "0").source
    assert (source.name, source.checksum) == ("20231101.en", f"revision:{COMMIT}")
    same(tmp_path / "0", made(place, tmp_path / "local", str(folder / "20231101.en")))
    assert read_manifest(tmp_path / "1").counts.articles == 20
    fetched = sum(int(request.split()[0]) for request in requests if " bytes of " in request)
    assert fetched < source.bytes / 2
    assert not any(request.startswith("GET") and "/resolve/v1/" in request for request in requests)
