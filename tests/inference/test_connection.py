"""Proxies and certificates: which are used, and what an error says of them."""

import socket
import sys

import httpx2
import pytest

from tests.inference import hostile
from tests.inference.asking import ask, load, rows
from workflow_scripts.inference import connection, engines

pytestmark = pytest.mark.usefixtures("folder")

PROXIES = [f"{scheme}_proxy" for scheme in ("http", "https", "all", "no")]


@pytest.fixture(autouse=True)
def bare(monkeypatch):
    for name in (*PROXIES, *(name.upper() for name in PROXIES), *connection.TRUST):
        monkeypatch.delenv(name, raising=False)


@pytest.fixture
def nowhere():
    """An address on which nothing listens."""
    with socket.socket() as found:
        found.bind(("127.0.0.1", 0))
        return f"127.0.0.1:{found.getsockname()[1]}"


class At:
    """A server that is asked at another address than its own."""

    def __init__(self, url):
        self.url = url


@pytest.mark.parametrize("host", ["127.0.0.1", "localhost", "0.0.0.0"])
@pytest.mark.parametrize("proxy", ["http://{}", "socks5://{}", "gopher://{}"])
def test_a_server_on_this_machine_is_asked_directly(monkeypatch, nowhere, proxy, host):
    for name in ("http_proxy", "ALL_PROXY"):
        monkeypatch.setenv(name, proxy.format(nowhere))
    monkeypatch.setenv("SSL_CERT_FILE", "/nowhere/ca.pem")
    with hostile.serving() as server:
        assert len(ask(At(server.url.replace("127.0.0.1", host)), rows(1, 2))) == 2
        assert len(server.asked) == 2


def test_another_server_is_asked_through_the_proxy(monkeypatch):
    with hostile.serving() as proxy:
        monkeypatch.setenv("http_proxy", proxy.url.removesuffix("/v1"))
        assert len(ask(At("http://models.example/v1"), rows(1, 2))) == 2
        assert {path for _, path, _, _ in proxy.asked} == {
            "http://models.example/v1/chat/completions"
        }


def test_errors_name_the_proxy_and_its_variable_but_no_password(monkeypatch, nowhere):
    monkeypatch.setenv("HTTP_PROXY", f"http://user:secret@{nowhere}")
    with pytest.raises(engines.EngineError) as raised:
        ask(At("http://models.example/v1"), rows(1, 1), attempts=2)
    assert f"through the proxy http://{nowhere} (HTTP_PROXY)" in str(raised.value)
    assert "no connection (ConnectError" in str(raised.value)
    assert "secret" not in str(raised.value)


def test_a_refusal_by_the_proxy_names_it(monkeypatch):
    with hostile.serving(lambda *_: hostile.status(403, "by policy")) as proxy:
        monkeypatch.setenv("http_proxy", proxy.url.removesuffix("/v1"))
        with pytest.raises(engines.EngineError, match=r"through the proxy .*403\): by policy"):
            ask(At("http://models.example/v1"), rows(1, 1))
        assert len(proxy.asked) == 1


def test_a_socks_proxy_that_cannot_be_used_is_named(monkeypatch):
    monkeypatch.setitem(sys.modules, "socksio", None)
    monkeypatch.setenv("all_proxy", "socks5h://gate.example:1080")
    line = r"proxy socks5h://gate.example:1080 \(all_proxy\) cannot be used.*pip install socksio"
    with pytest.raises(engines.EngineError, match=line):
        ask(At("https://models.example/v1"), rows(1, 1))
    monkeypatch.setenv("all_proxy", "socks4://gate.example:1080")
    with pytest.raises(engines.EngineError, match=r"socks4.*name an HTTP proxy, or add models"):
        ask(At("https://models.example/v1"), rows(1, 1))


@pytest.mark.parametrize(
    ("url", "exceptions", "direct"),
    [
        ("http://models.example/v1", "", False),
        ("http://models.example/v1", "other.example", False),
        ("http://models.example/v1", ".example", True),
        ("http://models.example:8000/v1", "models.example", True),
        ("http://10.1.2.3:8000/v1", "10.0.0.0/8", True),
        ("http://10.1.2.3:8000/v1", "192.168.0.0/16,node7", False),
        ("http://node7:8000/v1", "*", True),
        ("http://[::1]:8000/v1", "", True),
        ("https://models.example/v1", "", True),  # the variable is for http
    ],
)
def test_exceptions_from_the_proxy(monkeypatch, url, exceptions, direct):
    monkeypatch.setenv("http_proxy", "gate.example:3128")
    monkeypatch.setenv("no_proxy", exceptions)
    found = connection.proxy_of(url)
    expected = connection.Proxy("http://gate.example:3128", "http_proxy")
    assert found == (None if direct else expected)


def test_a_stale_file_of_certificates_is_named(monkeypatch):
    monkeypatch.setenv("SSL_CERT_FILE", "/nowhere/ca.pem")
    with pytest.raises(engines.EngineError, match=r"/nowhere/ca.pem \(SSL_CERT_FILE\)"):
        ask(At("https://models.example/v1"), rows(1, 1))


def test_a_server_without_tls_costs_one_attempt():
    line = "does not speak TLS: write http://"
    with hostile.serving() as server, pytest.raises(engines.EngineError, match=line):
        ask(At(server.url.replace("http:", "https:")), rows(2, 2))


@pytest.mark.parametrize(
    ("error", "remedy"),
    [
        (httpx2.ConnectError("[SSL: CERTIFICATE_VERIFY_FAILED] self-signed"), "SSL_CERT_FILE"),
        (httpx2.ProxyError("407 Proxy Authentication Required"), "user and password"),
        (httpx2.ProxyError("503 Service Unavailable"), None),
        (httpx2.ConnectError("[Errno 111] Connection refused"), None),
    ],
)
def test_errors_that_last(error, remedy):
    found = connection.permanent(error)
    assert found is None if remedy is None else remedy in found


def test_a_certificate_that_does_not_verify_names_what_it_is_checked_against(monkeypatch):
    monkeypatch.setenv("SSL_CERT_DIR", "/old/certs")
    error = httpx2.ConnectError("[SSL: CERTIFICATE_VERIFY_FAILED] unable to get issuer")
    assert "SSL_CERT_DIR=/old/certs" in connection.permanent(error)


def test_loading_asks_nobody(monkeypatch):
    monkeypatch.setenv("SSL_CERT_FILE", "/nowhere/ca.pem")
    assert (
        load(At("https://models.example/v1")).version == "plain server, https://models.example/v1"
    )
