"""Streams are unpacked wherever they were cut, as far as they are sound and no bombs."""

import bz2
import dataclasses
import gzip
import lzma
from collections.abc import Callable
from pathlib import Path

import pytest

from pipeline.articles.article import Dropped
from pipeline.articles.article import Page as FoundPage
from pipeline.source import dump_streams
from tests.helpers.dumps import Page, make_dump, read_index, zstd
from tests.helpers.sources import PAGES, pages_of, refusal
from wikilm.errors import RunError


def test_a_damaged_byte_is_refused_with_the_place_of_its_stream(tmp_path: Path) -> None:
    path = make_dump(tmp_path / "a-multistream.xml.bz2", PAGES)
    whole = bytearray(path.read_bytes())
    start = int(read_index(path)[2].split(":")[0])
    whole[start + 40] ^= 255
    path.write_bytes(whole)
    assert f"stream at byte {start}" in refusal(path)


@pytest.mark.parametrize("name", ["a.xml.bz2", "a.xml.gz", "a.xml.xz", "a.xml.zst", "a-multistream.xml.bz2"])
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


def without_place(page: FoundPage) -> FoundPage:
    return page if isinstance(page, Dropped) else dataclasses.replace(page, where="")


@pytest.mark.parametrize("name", ["a.xml.gz", "a.xml.bz2"])
def test_zeros_after_a_stream_are_padding(tmp_path: Path, name: str) -> None:
    path = make_dump(tmp_path / name, [Page(1, "A", "a")])
    expected = pages_of(path)
    for zeros in (1, 511, 1 << 19):
        path.write_bytes(path.read_bytes() + b"\0" * zeros)
        assert pages_of(path) == expected


@pytest.mark.parametrize(("kind", "pack"), [("xz", lzma.compress), ("zst", zstd.compress)])
def test_a_dump_of_several_streams_is_the_same_source_as_a_plain_one(
    tmp_path: Path, kind: str, pack: Callable[[bytes], bytes]
) -> None:
    pages = [Page(number, f"T{number}", "text " * 100) for number in range(1, 50)]
    plain = make_dump(tmp_path / "a.xml", pages)
    data, packed = plain.read_bytes(), tmp_path / f"b.xml.{kind}"
    packed.write_bytes(pack(data[:5000]) + pack(b"") + pack(data[5000:]))
    assert [without_place(page) for page in pages_of(packed)] == [without_place(page) for page in pages_of(plain)]
    packed.write_bytes(packed.read_bytes()[:-20])
    with pytest.raises(RunError, match=rf"b\.xml\.{kind}: is cut: the \w+ stream"):
        pages_of(packed)
    packed.write_bytes(pack(data[:5000]))
    with pytest.raises(RunError, match="is cut in the middle of a page"):
        pages_of(packed)
    packed.write_bytes(pack(data) + b"garbage")
    with pytest.raises(RunError, match=r"damaged in the \w+ stream"):
        pages_of(packed)


def test_zeros_after_an_xz_stream_and_a_skippable_frame_of_zstd_are_no_text(tmp_path: Path) -> None:
    data = make_dump(tmp_path / "a.xml", PAGES).read_bytes()
    skippable = b"\x50\x2a\x4d\x18\x04\x00\x00\x00abcd"  # RFC 8878, 3.1.2
    (tmp_path / "a.xml.xz").write_bytes(lzma.compress(data[:500]) + b"\0" * 8 + lzma.compress(data[500:]) + b"\0" * 4)
    (tmp_path / "a.xml.zst").write_bytes(skippable + zstd.compress(data) + skippable)
    expected = [page.page_id for page in pages_of(tmp_path / "a.xml")]
    for name in ("a.xml.xz", "a.xml.zst"):
        assert [page.page_id for page in pages_of(tmp_path / name)] == expected


def test_a_stream_that_wants_much_memory_is_refused_as_such(tmp_path: Path) -> None:
    data = make_dump(tmp_path / "a.xml", PAGES).read_bytes()
    # A frame's header says its window (RFC 8878, 3.1.1.1.2): one of 2 GiB.
    (tmp_path / "a.xml.zst").write_bytes(b"\x28\xb5\x2f\xfd\x00\xa8" + zstd.compress(data)[6:])
    with pytest.raises(RunError, match=r"the zstd stream at byte 0 wants more memory than is given .* without --long"):
        pages_of(tmp_path / "a.xml.zst")
