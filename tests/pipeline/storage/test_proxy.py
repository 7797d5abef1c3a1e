"""Through a proxy a file is the same bytes, asked for in the same way; a redirect gets no further into a network."""

import datetime
import ipaddress
import socket
import ssl
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from pipeline.storage import web
from pipeline.storage import web_client as connection
from pipeline.storage.private_network import check_name, is_private
from pipeline.storage.proxy import loopback_direct, proxy_for
from tests.helpers.http_server import Reply, Server, http_server
from tests.helpers.proxy_server import ForwardProxy, forward_proxy
from wikilm.errors import RunError, UsageError

CONTACT = "you@example.org"
DATA = bytes(range(256)) * 1000
HOST = "dumps.invalid"  # which nobody but the proxy knows
VARIABLES = [name for key in ("http", "https", "all", "no") for name in (f"{key}_proxy", f"{key}_PROXY".upper())]
Set = Callable[..., None]


@pytest.fixture(autouse=True)
def settings(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Set:
    """An environment without any proxy; gives what sets variables in it."""
    for module in (connection, web):
        monkeypatch.setattr(module, "BACKOFF_SECONDS", 0.001)
    monkeypatch.setenv("NETRC", str(tmp_path / "netrc"))
    for name in VARIABLES:
        monkeypatch.delenv(name, raising=False)

    def setting(**variables: str) -> None:
        for name, value in variables.items():
            monkeypatch.setenv(name, value)

    return setting


@pytest.fixture
def server(tmp_path: Path) -> Iterator[Server]:
    (tmp_path / "www").mkdir()
    (tmp_path / "www" / "a.bin").write_bytes(DATA)
    with http_server(tmp_path / "www") as running:
        yield running


@pytest.fixture
def proxy(server: Server) -> Iterator[ForwardProxy]:
    with forward_proxy({f"{HOST}:80": server.url.removeprefix("http://")}) as running:
        yield running


@pytest.fixture
def secure(tmp_path: Path, server: Server, monkeypatch: pytest.MonkeyPatch) -> Iterator[Server]:
    """The same folder by https, for `HOST` and the loopback, with a certificate that is trusted here."""
    tls = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    tls.load_cert_chain(certificate(tmp_path / "cert.pem"))
    monkeypatch.setenv("SSL_CERT_FILE", str(tmp_path / "cert.pem"))
    connection._tls.cache_clear()
    with http_server(server.folder, tls) as running:
        yield running
    connection._tls.cache_clear()


def certificate(path: Path) -> Path:
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, HOST)])
    now = datetime.datetime.now(datetime.UTC)
    names = [x509.DNSName(HOST), x509.IPAddress(ipaddress.ip_address("127.0.0.1"))]
    made = (
        x509.CertificateBuilder(name, name, key.public_key(), x509.random_serial_number())
        .not_valid_before(now - datetime.timedelta(days=1))
        .not_valid_after(now + datetime.timedelta(days=1))
        .add_extension(x509.SubjectAlternativeName(names), critical=False)
        .add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
        .sign(key, hashes.SHA256())
    )
    private = key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )
    path.write_bytes(private + made.public_bytes(serialization.Encoding.PEM))
    return path


def line(url: str) -> str:
    """The one line with which an address is refused."""
    with pytest.raises((RunError, UsageError)) as caught:
        web.describe(url, CONTACT)
    assert "\n" not in str(caught.value)
    assert "s3cret" not in str(caught.value)
    return str(caught.value)


# --- what goes through ----------------------------------------------------------------------------------------------


@pytest.mark.parametrize("variable", ["http_proxy", "HTTP_PROXY", "all_proxy", "ALL_PROXY"])
def test_http_is_read_through_the_proxy_by_the_same_ranges(
    server: Server, proxy: ForwardProxy, settings: Set, variable: str
) -> None:
    direct = web.describe(f"{server.url}/a.bin", CONTACT)
    settings(**{variable: proxy.url()})
    file = web.describe(f"http://{HOST}/a.bin", CONTACT)
    assert (file.bytes, file.version) == (direct.bytes, direct.version)
    assert web.fetch(file, 10, 5000) == DATA[10:5000]
    assert proxy.asked == [("GET", f"{HOST}:80")] * 2
    _, plan, read = (headers for _, headers in server.requests)
    assert (plan["Range"], read["Range"], read["If-Match"]) == ("bytes=0-0", "bytes=10-4999", file.version[5:])
    assert plan["Host"] == HOST
    assert plan["User-Agent"].endswith(f"({CONTACT})")


@pytest.mark.parametrize("variable", ["https_proxy", "HTTPS_PROXY", "ALL_PROXY"])
def test_https_is_read_through_a_tunnel(secure: Server, proxy: ForwardProxy, settings: Set, variable: str) -> None:
    proxy.hosts = {f"{HOST}:443": secure.url.removeprefix("https://")}
    settings(**{variable: proxy.url()})
    file = web.describe(f"https://{HOST}/a.bin", CONTACT)
    assert web.fetch(file, 10, 5000) == DATA[10:5000]
    assert proxy.asked == [("CONNECT", f"{HOST}:443")] * 2
    assert all("Range" not in headers for headers in proxy.headers)
    assert secure.requests[1][1]["Range"] == "bytes=10-4999"


def test_each_scheme_has_a_proxy_of_its_own_and_small_letters_come_first(settings: Set) -> None:
    settings(HTTP_PROXY="http://upper:1", http_proxy="http://lower:1", HTTPS_PROXY="tls:2", ALL_PROXY="http://all:3")
    found = {scheme: proxy_for(f"{scheme}://{HOST}/") for scheme in ("http", "https")}
    assert {key: (one.variable, one.url) for key, one in found.items() if one} == {
        "http": ("http_proxy", "http://lower:1"),
        "https": ("HTTPS_PROXY", "http://tls:2"),
    }
    settings(https_proxy="")  # which takes the other back
    one = proxy_for(f"https://{HOST}/")
    assert one
    assert one.variable == "ALL_PROXY"


@pytest.mark.parametrize("excepted", ["127.0.0.1", "invalid,127.0.0.1", ".0.0.1", "*", "127.0.0.1:{port}"])
@pytest.mark.parametrize("variable", ["no_proxy", "NO_PROXY"])
def test_hosts_of_no_proxy_are_asked_directly(
    server: Server, proxy: ForwardProxy, settings: Set, variable: str, excepted: str
) -> None:
    port = server.url.rpartition(":")[2]
    settings(HTTP_PROXY=proxy.url(), **{variable: excepted.format(port=port)})
    assert web.describe(f"{server.url}/a.bin", CONTACT).bytes == len(DATA)
    assert proxy.asked == []


def test_what_the_user_names_may_be_private_as_without_a_proxy(
    server: Server, proxy: ForwardProxy, settings: Set
) -> None:
    settings(HTTP_PROXY=proxy.url())
    assert web.describe(f"{server.url}/a.bin", CONTACT).bytes == len(DATA)
    assert proxy.asked == [("GET", server.url.removeprefix("http://"))]


def test_a_login_goes_to_the_proxy_and_no_further(
    secure: Server, server: Server, proxy: ForwardProxy, settings: Set
) -> None:
    proxy.login = "me:p@ss/w:rd"
    proxy.hosts = {**proxy.hosts, f"{HOST}:443": secure.url.removeprefix("https://")}
    address = proxy.url("me:p%40ss%2Fw%3Ard")
    settings(HTTP_PROXY=address, HTTPS_PROXY=address)
    for scheme, asked in (("http", server), ("https", secure)):
        assert web.describe(f"{scheme}://{HOST}/a.bin", CONTACT).bytes == len(DATA)
        assert all("Proxy-Authorization" not in headers for _, headers in asked.requests)
    assert all("Proxy-Authorization" in headers for headers in proxy.headers)


def test_a_server_that_breaks_off_is_asked_again_through_the_proxy(
    server: Server, proxy: ForwardProxy, settings: Set
) -> None:
    settings(HTTP_PROXY=proxy.url())
    server.change = lambda path, number, reply: reply if number > 2 else Reply(503, {}, b"busy")
    assert web.describe(f"http://{HOST}/a.bin", CONTACT).bytes == len(DATA)
    assert len(proxy.asked) == 4


# --- what is told ----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("scheme", ["http", "https"])
@pytest.mark.parametrize(
    ("login", "said"),
    [
        ("me:s3cret", "refuses its user and password (HTTP 407); correct them in {}"),
        ("", "set {}=http://USER:PASSWORD@"),
    ],
)
def test_a_proxy_that_wants_another_login_is_told_at_once(
    proxy: ForwardProxy, settings: Set, scheme: str, login: str, said: str
) -> None:
    proxy.login = "somebody:else"
    variable = f"{scheme.upper()}_PROXY"
    settings(**{variable: proxy.url(login)})
    told = line(f"{scheme}://{HOST}/a.bin")
    assert f"the proxy that {variable} names (127.0.0.1:{proxy.port})" in told
    assert said.format(variable) in told
    assert len(proxy.asked) == 1


def test_a_tunnel_that_the_proxy_does_not_open_is_told_at_once(proxy: ForwardProxy, settings: Set) -> None:
    proxy.answers = {f"{HOST}:443": 403}
    settings(HTTPS_PROXY=proxy.url("me:s3cret"))
    told = line(f"https://{HOST}/a.bin")
    assert f"does not connect to {HOST} (HTTP 403)" in told
    assert f"add {HOST} to NO_PROXY" in told
    assert len(proxy.asked) == 1


def test_a_tunnel_that_leads_nowhere_is_asked_for_again(proxy: ForwardProxy, settings: Set) -> None:
    proxy.hosts = {f"{HOST}:443": "127.0.0.1:9"}
    settings(HTTPS_PROXY=proxy.url())
    assert f"does not connect to {HOST} (HTTP 502)" in line(f"https://{HOST}/a.bin")
    assert len(proxy.asked) == 1 + connection.TRIES


@pytest.mark.parametrize("status", [403, 502])
def test_an_answer_that_may_be_the_proxys_names_it(proxy: ForwardProxy, settings: Set, status: int) -> None:
    proxy.answers = {f"{HOST}:80": status}
    settings(HTTP_PROXY=proxy.url("me:s3cret"))
    told = line(f"http://{HOST}/a.bin")
    assert f"HTTP {status}" in told
    assert f"(asked through the proxy that HTTP_PROXY names (127.0.0.1:{proxy.port}))" in told


@pytest.mark.parametrize("scheme", ["http", "https"])
@pytest.mark.parametrize(
    ("place", "said"),
    [
        ("127.0.0.1:9", "cannot be reached, tried 2 times"),
        ("no-such-proxy.invalid:3128", "its host name is not known here"),
    ],
)
def test_a_proxy_that_is_not_there(
    settings: Set, monkeypatch: pytest.MonkeyPatch, scheme: str, place: str, said: str
) -> None:
    monkeypatch.setattr(connection, "TRIES", 1)
    variable = f"{scheme}_proxy"
    settings(**{variable: f"http://me:s3cret@{place}"})
    told = line(f"{scheme}://{HOST}/a.bin")
    assert f"the proxy that {variable} names ({place}): {said}" in told
    assert f"correct {variable}, or add {HOST} to NO_PROXY" in told


def test_a_proxy_that_signs_for_all_servers_is_told_how_to_trust(
    secure: Server, proxy: ForwardProxy, settings: Set, monkeypatch: pytest.MonkeyPatch
) -> None:
    proxy.hosts = {f"{HOST}:443": secure.url.removeprefix("https://")}
    settings(HTTPS_PROXY=proxy.url())
    monkeypatch.delenv("SSL_CERT_FILE")
    connection._tls.cache_clear()
    told = line(f"https://{HOST}/a.bin")
    assert "no trusted TLS connection" in told
    assert "SSL_CERT_FILE" in told


@pytest.mark.parametrize(
    "value",
    [
        "socks5h://me:s3cret@proxy:1080",
        "http://me:s3cret#1@proxy:3128",
        "http://me:s3cret/1@proxy:3128",
        "http://me:s3cret?1@proxy:3128",
        "http://me:s3cret@proxy:port",
        "http://me:s3cret@",
        "http://[s3cret",
    ],
)
def test_a_value_that_names_no_proxy_is_refused_without_being_told(settings: Set, value: str) -> None:
    settings(HTTPS_PROXY=value)
    told = line(f"https://{HOST}/a.bin")
    assert told.startswith("HTTPS_PROXY: ")
    assert "http://proxy.example.org:3128" in told


# --- redirects -------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "host",
    [
        *(
            "127.0.0.1",
            "10.1.2.3",
            "169.254.169.254",
            "[::1]",
            "[::ffff:10.0.0.1]",
            "[64:ff9b::a00:1]",
            "[2002:a00:1::]",
        ),
        *("127.1", "0x7f000001", "2130706433", "0177.0.0.1", "0.0.0.0", "localhost", "LOCALHOST.", "a.localhost"),
        *("intranet", "metadata.google.internal", "printer.local", "router.home.arpa", "127%2e0.0.1"),
        "127。0。0。1".encode().decode("latin-1"),  # as it is sent, and headers are read
    ],
)
def test_a_redirect_into_a_private_network_is_never_asked_of_the_proxy(
    server: Server, proxy: ForwardProxy, settings: Set, host: str
) -> None:
    settings(HTTP_PROXY=proxy.url())
    server.change = lambda path, number, reply: Reply(302, {"Location": f"http://{host}/a.bin"}, b"")
    told = line(f"http://{HOST}/a.bin")
    assert "redirect" in told
    assert any(why in told for why in ("the private address", "a name of a private network", "no plain host name"))
    assert proxy.asked == [("GET", f"{HOST}:80")]


def test_a_name_that_leads_to_a_private_address_here_is_no_way_in(
    server: Server, proxy: ForwardProxy, settings: Set, monkeypatch: pytest.MonkeyPatch
) -> None:
    known = socket.getaddrinfo

    def resolved(host: str, *rest: object, **more: object) -> object:
        return known("127.0.0.1" if host == "inside.example.org" else host, *rest, **more)  # type: ignore[arg-type]

    monkeypatch.setattr(socket, "getaddrinfo", resolved)
    settings(HTTP_PROXY=proxy.url())
    server.change = lambda path, number, reply: Reply(302, {"Location": "http://inside.example.org/a.bin"}, b"")
    assert "inside.example.org leads to the private address 127.0.0.1" in line(f"http://{HOST}/a.bin")
    check_name.cache_clear()


def test_a_redirect_to_a_public_server_is_followed_without_login(
    server: Server, proxy: ForwardProxy, settings: Set, tmp_path: Path
) -> None:
    (tmp_path / "netrc").write_text(f"machine {HOST} login me password s3cret\n")
    settings(HTTP_PROXY=proxy.url())
    proxy.hosts = {**proxy.hosts, "mirror.invalid:80": proxy.hosts[f"{HOST}:80"]}
    server.change = lambda path, number, reply: (
        Reply(302, {"Location": "http://mirror.invalid/a.bin"}, b"") if path == "/latest.bin" else reply
    )
    file = web.describe(f"http://{HOST}/latest.bin", CONTACT)
    assert web.fetch(file, 0, 9) == DATA[:9]
    assert [name for _, name in proxy.asked] == [f"{HOST}:80", "mirror.invalid:80"] * 2
    assert ["Authorization" in headers for _, headers in server.requests] == [True, False] * 2


def test_a_redirect_around_the_proxy_is_checked_where_it_arrives(
    server: Server, proxy: ForwardProxy, settings: Set
) -> None:
    settings(HTTP_PROXY=proxy.url(), NO_PROXY="127.0.0.1")
    with http_server(server.folder) as private:
        server.change = lambda path, number, reply: Reply(302, {"Location": f"{private.url}/a.bin"}, b"")
        assert "leads to the private address 127.0.0.1" in line(f"http://{HOST}/a.bin")
        assert private.requests == []


@pytest.mark.parametrize("address", ["1.1.1.1", "2606:4700::1111", "::ffff:1.1.1.1", "64:ff9b::101:101"])
def test_public_addresses_are_public(address: str) -> None:
    assert not is_private(ipaddress.ip_address(address))


# --- gRPC ------------------------------------------------------------------------------------------------------------


def test_workers_of_this_machine_are_talked_to_directly() -> None:
    assert loopback_direct({}) == {"no_grpc_proxy": "localhost,127.0.0.1,::1"}
    kept = loopback_direct({"NO_PROXY": ".example.org,localhost", "no_proxy": "flink.example.org"})
    assert kept == {"no_grpc_proxy": "flink.example.org,localhost,127.0.0.1,::1"}
    assert loopback_direct(kept) == kept
