"""Streams are unpacked wherever they were cut, as far as they are sound and no bombs."""

import bz2
import gzip
from pathlib import Path

import pytest

from pipeline.source import dump_streams
from tests.helpers.dumps import Page, make_dump, read_index
from tests.helpers.sources import PAGES, pages_of, refusal


def test_a_damaged_byte_is_refused_with_the_place_of_its_stream(tmp_path: Path) -> None:
    path = make_dump(tmp_path / "a-multistream.xml.bz2", PAGES)
    whole = bytearray(path.read_bytes())
    start = int(read_index(path)[2].split(":")[0])
    whole[start + 40] ^= 255
    path.write_bytes(whole)
    assert f"stream at byte {start}" in refusal(path)


@pytest.mark.parametrize("name", ["a.xml.bz2", "a.xml.gz", "a-multistream.xml.bz2"])
@pytest.mark.parametrize("inside", ["a page", "no page"])
def test_a_decompression_bomb_is_refused_soon(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str, inside: str
) -> None:
    monkeypatch.setattr(dump_streams, "BOMB_BYTES", 8 << 20)
    page = Page(2, "Bomb", "x" * (64 << 20) if inside == "a page" else "").xml() + " " * (64 << 20)
    path = make_dump(tmp_path / name, [Page(1, "A", "a"), Page(2, "Bomb", raw=page)])
    line = refusal(path)
    assert "decompression bomb" in line
    assert int(line.split(" MiB")[0].split()[-1]) < 64


def test_pages_may_go_on_in_the_next_stream_where_a_parallel_packer_has_cut(tmp_path: Path) -> None:
    path = make_dump(tmp_path / "a.xml", PAGES)
    data = path.read_bytes()
    packed = tmp_path / "a.xml.bz2"
    packed.write_bytes(b"".join(bz2.compress(data[at : at + 300]) for at in range(0, len(data), 300)))
    assert [page.page_id for page in pages_of(packed)] == [page.id for page in PAGES]
    members = tmp_path / "a.xml.gz"
    members.write_bytes(b"".join(gzip.compress(data[at : at + 300]) for at in range(0, len(data), 300)))
    assert [page.page_id for page in pages_of(members)] == [page.id for page in PAGES]
