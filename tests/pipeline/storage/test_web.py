"""A file over HTTP is read by ranges and just as it was planned, or the run ends in one line: never in other bytes."""

import dataclasses
import multiprocessing
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest
import urllib3

from pipeline.storage import private_network, web
from pipeline.storage import web_client as connection
from pipeline.storage.reading import check_address, open_file, open_ranges
from tests.helpers.http_server import Reply, Server, http_server
from tests.helpers.waiting import MINUTES, wait_until
from wikilm.errors import RunError, UsageError

CONTACT = "you@example.org"
DATA = bytes(range(256)) * 1000


@pytest.fixture
def server(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Server]:
    monkeypatch.setattr(connection, "BACKOFF_SECONDS", 0.001)
    monkeypatch.setattr(web, "BACKOFF_SECONDS", 0.001)
    monkeypatch.setenv("NETRC", str(tmp_path / "netrc"))
    (tmp_path / "www").mkdir()
    (tmp_path / "www" / "a.bin").write_bytes(DATA)
    with http_server(tmp_path / "www") as running:
        yield running


def line(server: Server, start: int = 1000, end: int = 3000) -> str:
    """The one line with which planning and reading a range ends."""
    with pytest.raises(RunError) as caught:
        web.fetch(web.describe(f"{server.url}/a.bin", CONTACT), start, end)
    text = str(caught.value)
    assert text.count("\n") == 0
    assert "a.bin" in text or "redirect" in text
    return text


def changing(server: Server, **parts: object) -> None:
    """Let every answer after the first, with which the run is planned, be another."""
    server.change = lambda path, number, reply: dataclasses.replace(reply, **parts) if number else reply  # type: ignore[arg-type]


# --- what is read ----------------------------------------------------------------------------------------------------


def test_a_plan_takes_one_byte_and_a_read_takes_its_range(server: Server) -> None:
    file = web.describe(f"{server.url}/a.bin", CONTACT)
    assert (file.bytes, file.name, file.version[:6]) == (len(DATA), "a.bin", 'etag:"')
    assert server.sent == 1
    assert web.fetch(file, 10, 5000) == DATA[10:5000]
    assert server.sent == 1 + 4990
    assert all(headers["User-Agent"].endswith(f"({CONTACT})") for _, headers in server.requests)
    assert all(headers["User-Agent"].startswith("wikilm/") for _, headers in server.requests)


def test_a_stream_asks_for_blocks_up_to_where_it_ends_and_no_further(server: Server) -> None:
    file = web.describe(f"{server.url}/a.bin", CONTACT)
    server.sent = 0
    with open_file(file, 100_000, block=30_000) as stream:
        stream.seek(5_000)
        assert b"".join(iter(lambda: stream.read(999), b"")) == DATA[5_000:100_000]
    assert server.sent == 95_000
    assert len(server.requests) == 1 + 4


def test_ranges_are_asked_for_as_they_are_read(server: Server) -> None:
    file = web.describe(f"{server.url}/a.bin", CONTACT)
    server.sent = 0
    with open_ranges(file) as stream:
        stream.seek(-8, 2)
        assert stream.read(8) == DATA[-8:]
        assert stream.read(8) == b""
        stream.seek(20)
        assert stream.read(30) == DATA[20:50]
    assert server.sent == 38


def test_three_connections_at_most_over_all_threads_and_processes(server: Server) -> None:
    file = web.describe(f"{server.url}/a.bin", CONTACT)
    server.seconds = 0.03
    server.most_open = 0
    # The first answers wait for as many connections as there may be.
    server.change = lambda path, number, reply: reply if wait_until(lambda: server.most_open >= 3) else None
    processes = [multiprocessing.get_context("fork").Process(target=web.fetch, args=(file, 0, 9)) for _ in range(5)]
    threads = [threading.Thread(target=web.fetch, args=(file, 0, 9)) for _ in range(5)]
    for one in [*processes, *threads]:
        one.start()
    for one in [*processes, *threads]:
        one.join()
    assert [process.exitcode for process in processes] == [0] * 5
    assert server.most_open == 3
    assert len(server.requests) == 11


# --- patience --------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("status", [429, 500, 502, 503, 504])
def test_a_busy_server_is_asked_again(server: Server, status: int) -> None:
    server.change = lambda path, number, reply: reply if number > 2 else Reply(status, {}, b"busy")
    file = web.describe(f"{server.url}/a.bin", CONTACT)
    assert web.fetch(file, 0, 9) == DATA[:9]
    assert len(server.requests) == 5


def test_a_server_that_stays_busy_ends_the_run(server: Server) -> None:
    changing(server, status=503, body=b"")
    assert "answers HTTP 503" in line(server)
    assert len(server.requests) == 1 + 1 + connection.TRIES


def test_retry_after_is_honoured_up_to_a_limit(server: Server, monkeypatch: pytest.MonkeyPatch) -> None:
    slept: list[float] = []
    monkeypatch.setattr("urllib3.util.retry.time.sleep", slept.append)
    for asked, kept in (("7", 7), ("99999", connection.RETRY_AFTER_SECONDS)):
        server.requests.clear()
        server.change = lambda path, number, reply, asked=asked: (  # type: ignore[misc]
            reply if number else Reply(503, {"Retry-After": asked}, b"")
        )
        web.describe(f"{server.url}/a.bin", CONTACT)
        assert max(slept) == kept
        slept.clear()


def test_a_read_that_breaks_off_goes_on_from_where_it_was(server: Server) -> None:
    server.change = lambda path, number, reply: dataclasses.replace(reply, cut=700) if 0 < number < 3 else reply
    assert web.fetch(web.describe(f"{server.url}/a.bin", CONTACT), 1000, 3000) == DATA[1000:3000]
    asked = [headers["Range"] for _, headers in server.requests]
    assert asked == ["bytes=0-0", "bytes=1000-2999", "bytes=1700-2999", "bytes=2400-2999"]


def test_a_connection_that_breaks_before_the_answer_is_tried_again(server: Server) -> None:
    server.change = lambda path, number, reply: reply if number > 1 else None
    assert web.describe(f"{server.url}/a.bin", CONTACT).bytes == len(DATA)


def test_a_server_that_never_answers_in_time_ends_the_run(server: Server, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(connection, "TIMEOUT", urllib3.Timeout(connect=MINUTES, read=0.02))
    monkeypatch.setattr(connection, "TRIES", 1)
    given_up = threading.Event()
    server.change = lambda path, number, reply: None if given_up.wait(MINUTES) else reply
    assert "no answer in time, tried 2 times" in line(server)
    given_up.set()


def test_a_server_that_drips_ends_the_run(server: Server, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(web, "BODY_SECONDS", -1.0)
    assert "interrupted" in line(server)


# --- what is refused -------------------------------------------------------------------------------------------------


def test_an_answer_that_always_breaks_off_is_an_error(server: Server) -> None:
    changing(server, cut=0)
    assert f"interrupted {web.TRIES} times" in line(server)


def test_a_short_body_is_an_error(server: Server) -> None:
    changing(server, body=b"x" * 100)
    assert "sends 100 bytes for a range of 2000" in line(server)


@pytest.mark.parametrize("number", [0, 1])
def test_a_server_that_ignores_ranges_is_an_error(server: Server, number: int) -> None:
    server.change = lambda path, asked, reply: Reply(200, reply.headers, DATA) if asked == number else reply
    assert "ignores Range" in line(server)


@pytest.mark.parametrize("value", ["bytes 0-1999/256000", "bytes 1000-2999/*", "bytes 1000-2998/256000", "", "lines"])
def test_another_range_than_asked_is_an_error(server: Server, value: str) -> None:
    server.change = lambda path, number, reply: (
        dataclasses.replace(reply, headers=reply.headers | {"Content-Range": value}) if number else reply
    )
    assert "other bytes than 1000 to 2999" in line(server)


def test_another_etag_or_size_midway_is_an_error(server: Server) -> None:
    file = web.describe(f"{server.url}/a.bin", CONTACT)
    (server.folder / "a.bin").write_bytes(DATA[::-1])
    with pytest.raises(RunError, match=r"a\.bin: has changed since the run began"):
        web.fetch(file, 0, 9)
    server.change = lambda path, number, reply: dataclasses.replace(
        reply, status=206, body=b"x" * 9, headers={"ETag": '"other"', "Content-Range": f"bytes 0-8/{len(DATA)}"}
    )
    with pytest.raises(RunError, match="has changed"):  # of a server that does not know If-Match
        web.fetch(file, 0, 9)
    server.change = lambda path, number, reply: dataclasses.replace(
        reply, status=206, body=b"x" * 9, headers={"ETag": file.version[5:], "Content-Range": "bytes 0-8/77"}
    )
    with pytest.raises(RunError, match="has changed"):
        web.fetch(file, 0, 9)


def test_a_server_without_etag_is_known_by_last_modified_and_one_without_either_is_refused(server: Server) -> None:
    moments = ["Mon, 05 Jan 2026 00:00:00 GMT", "Tue, 06 Jan 2026 00:00:00 GMT"]

    def change(path: str, number: int, reply: Reply) -> Reply:
        headers = {"Content-Range": reply.headers["Content-Range"], "Last-Modified": moments[number > 1]}
        return dataclasses.replace(reply, headers=headers)

    server.change = change
    file = web.describe(f"{server.url}/a.bin", CONTACT)
    assert file.version == "modified:" + moments[0]
    assert web.fetch(file, 0, 9) == DATA[:9]
    with pytest.raises(RunError, match="has changed"):
        web.fetch(file, 0, 9)
    server.change = lambda path, number, reply: dataclasses.replace(
        reply, headers={"Content-Range": reply.headers["Content-Range"]}
    )
    assert "neither ETag nor Last-Modified" in line(server)


@pytest.mark.parametrize(
    ("status", "said"),
    [(404, "is not there (HTTP 404)"), (403, "~/.netrc"), (401, "~/.netrc"), (418, "answers HTTP 418")],
)
def test_a_status_that_no_patience_changes_is_told_at_once(server: Server, status: int, said: str) -> None:
    server.change = lambda path, number, reply: Reply(status, {}, b"")
    assert said in line(server)
    assert len(server.requests) == 1


def test_an_empty_file_and_a_compressed_answer_are_refused(server: Server) -> None:
    (server.folder / "a.bin").write_bytes(b"")
    assert "is empty" in line(server)
    (server.folder / "a.bin").write_bytes(DATA)
    changing(server, headers={"Content-Range": f"bytes 1000-2999/{len(DATA)}", "Content-Encoding": "gzip", "ETag": "x"})
    assert "compresses on the way" in line(server)


def test_nobody_there_and_no_such_name_are_one_line(server: Server, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(connection, "TRIES", 1)
    with pytest.raises(RunError, match=r"127\.0\.0\.1:9/a.xml: cannot be reached, tried 2 times"):
        web.describe("http://127.0.0.1:9/a.xml", CONTACT)
    with pytest.raises(RunError, match="host name is not known"):
        web.describe("http://no-such-host.invalid/a.xml", CONTACT)
    with pytest.raises(RunError, match=r"a\.bin: no trusted TLS connection"):
        web.describe(server.url.replace("http:", "https:") + "/a.bin", CONTACT)


def test_a_listing_is_read_whole_and_within_bounds(server: Server, monkeypatch: pytest.MonkeyPatch) -> None:
    (server.folder / "list").write_bytes("Đông".encode())
    assert web.fetch_text(f"{server.url}/list", CONTACT) == "Đông"
    with pytest.raises(RunError, match="no text in UTF-8"):
        web.fetch_text(f"{server.url}/a.bin", CONTACT)
    monkeypatch.setattr(web, "MAX_TEXT_BYTES", 1000)
    with pytest.raises(RunError, match="sends more than 1000 bytes"):
        web.fetch_text(f"{server.url}/a.bin", CONTACT)


# --- redirects -------------------------------------------------------------------------------------------------------


def test_a_redirect_within_the_server_is_followed(server: Server) -> None:
    server.change = lambda path, number, reply: (
        Reply(302, {"Location": "/a.bin"}, b"") if path == "/latest.bin" else reply
    )
    file = web.describe(f"{server.url}/latest.bin", CONTACT)
    assert file.url == f"{server.url}/latest.bin"
    assert web.fetch(file, 5, 50) == DATA[5:50]


@pytest.mark.parametrize(
    ("location", "said"),
    [
        ("https://example.org/a.bin", "redirects from http to 'https'"),
        ("file:///etc/passwd", "redirects from http to 'file'"),
        ("ftp://example.org/a.bin", "redirects from http to 'ftp'"),
        ("http://me:secret@example.org/a.bin", "with credentials"),
        ("/a.bin", "redirects more than 5 times"),
        ("http://[secret", "redirects to what is no address"),
        ("http://example.org:secret/", "redirects to what is no address"),
    ],
)
def test_a_redirect_to_elsewhere_is_refused(server: Server, location: str, said: str) -> None:
    server.change = lambda path, number, reply: Reply(302, {"Location": location}, b"")
    told = line(server)
    assert said in told
    assert "secret" not in told


@pytest.mark.parametrize("host", ["127.0.0.1", "localhost", "[::ffff:127.0.0.1]"])
def test_a_redirect_to_a_private_address_is_cut_off_before_anything_is_asked(
    server: Server, tmp_path: Path, host: str
) -> None:
    with http_server(server.folder) as private:
        port = private.url.rpartition(":")[2]
        server.change = lambda path, number, reply: Reply(302, {"Location": f"http://{host}:{port}/a.bin"}, b"")
        assert "private address 127.0.0.1" in line(server)
        assert private.requests == []


def test_what_a_redirect_to_a_public_server_asks_for_has_no_login(
    server: Server, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "netrc").write_text("machine 127.0.0.1 login me password s3cret\ndefault login all password everyone\n")
    monkeypatch.setattr(private_network, "check_connected", lambda connected, host: connected)
    with http_server(server.folder) as other:
        port = other.url.rpartition(":")[2]
        server.change = lambda path, number, reply: Reply(302, {"Location": f"http://localhost:{port}/a.bin?k=v"}, b"")
        assert web.fetch(web.describe(f"{server.url}/a.bin", CONTACT), 0, 9) == DATA[:9]
        assert server.requests[0][1]["Authorization"].startswith("Basic ")
        assert all("Authorization" not in headers for _, headers in other.requests)


def test_a_netrc_that_cannot_be_read_is_named_without_its_secrets(server: Server, tmp_path: Path) -> None:
    (tmp_path / "netrc").write_text("machine 127.0.0.1 login me\ns3cret\n")
    with pytest.raises(UsageError, match=r"netrc: line [0-9] cannot be read") as caught:
        web.describe(f"{server.url}/a.bin", CONTACT)
    assert "s3cret" not in str(caught.value)


# --- contact and credentials -----------------------------------------------------------------------------------------


@pytest.mark.parametrize("contact", ["", "me", "a b@example.org", "me@x\r\nX-Evil: 1", "ü@example.org", "(a)@b"])
def test_a_contact_is_required_and_is_one(server: Server, contact: str) -> None:
    with pytest.raises(UsageError, match=r"source\.contact: .*you@example\.org"):
        web.describe(f"{server.url}/a.bin", contact)
    assert server.requests == []


@pytest.mark.parametrize(
    "address",
    [
        "https://me:s3cret@example.org/a.xml",
        "https://s3cret@example.org/a.xml",
        "https://example.org/a.xml?X-Amz-Signature=s3cret",
        "https://example.org/a.xml#s3cret",
        "s3://key:s3cret@bucket/a.xml",
        "HTTPS://me:s3cret@example.org/a.xml",
        "simplecache::https://example.org/a.xml?s3cret",
        "zip://a.xml::https://example.org/a.zip?s3cret",
        "https://example.org:s3cret/a.xml",
        "https://[s3cret/a.xml",
    ],
)
def test_an_address_with_a_secret_is_refused_without_being_told(address: str) -> None:
    with pytest.raises(UsageError, match=r"^source\.path: ") as caught:
        check_address(address, "source.path", CONTACT)
    assert "s3cret" not in str(caught.value)


@pytest.mark.parametrize(
    ("address", "told"),
    [
        ("https://example.org/a b.xml", "https://example.org/a%20b.xml: was given with ' '"),
        ("https://example.org/a.xml ", "https://example.org/a.xml%20: was given with ' '"),
        ("https://example.org/a\tb.xml", r"https://example.org/a%09b.xml: was given with '\t'"),
        ("https://example.org/a%b.xml", "https://example.org/a%25b.xml: was given with '%'"),
        ('https://example.org/"a".xml', "https://example.org/%22a%22.xml: was given with '\"'"),
        ("https://example.org/a[{b}].xml", "https://example.org/a[%7Bb%7D].xml: was given with '{'"),
        ("https://example.org/a b#1.xml", "https://example.org/a%20b#…: holds a '#', after which"),
        ("https://example.org/a#1.xml", "nothing is asked of a server; write it as %23"),
        ("HTTPS://example.org/a.xml", "HTTPS://…: must start with https://"),
        (" https://example.org/a.xml", "https://…: must start with https://"),
    ],
)  # fmt: skip
def test_an_address_that_is_spelt_as_none_can_be_is_told_the_right_spelling(address: str, told: str) -> None:
    with pytest.raises(UsageError) as caught:
        check_address(address, "source.path", CONTACT)
    assert told in str(caught.value)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    "address", ["https://example.org/ü/題.xml", "https://example.org/a%20b%23.xml", "https://[::1]:80/a.xml"]
)
def test_letters_of_other_scripts_and_encoded_characters_may_stand_in_an_address(address: str) -> None:
    check_address(address, "source.path", CONTACT)
    with pytest.raises(UsageError):
        check_address(f"{address} ", "source.path", CONTACT)
