"""The HTTP client of one server: its proxy, its trust in certificates, and what fails there.

The proxy comes from the usual environment variables, but a server on this machine is always asked
directly. Errors name the variable, because it is often set for something else and forgotten.
"""

import ipaddress
import os
import ssl
from collections.abc import Callable
from typing import Any, NamedTuple
from urllib.parse import urlsplit, urlunsplit
from urllib.request import getproxies, proxy_bypass

import httpx2

from workflow_scripts.inference.tasks import EngineError

TRUST = ("SSL_CERT_FILE", "SSL_CERT_DIR")


class Proxy(NamedTuple):
    """A proxy's address and the environment variable that names it."""

    url: str
    variable: str

    def __str__(self) -> str:
        """The proxy without its password, and the variable."""
        parts = urlsplit(self.url)
        host = parts.netloc.rpartition("@")[2]
        return f"the proxy {urlunsplit(parts._replace(netloc=host))} ({self.variable})"


def proxy_of(url: str) -> Proxy | None:
    """The proxy through which `url` is reached, or None."""
    parts = urlsplit(url)
    found = getproxies()
    scheme = next((each for each in (parts.scheme, "all") if found.get(each)), None)
    host = parts.hostname or ""
    if scheme is None or on_this_machine(host) or _excepted(parts.netloc, host):
        return None
    names = (f"{scheme}_proxy", f"{scheme}_proxy".upper())
    variable = next((name for name in names if os.environ.get(name)), "system settings")
    address = found[scheme]
    return Proxy(address if "://" in address else f"http://{address}", variable)


def on_this_machine(host: str) -> bool:
    """Whether a host is loopback (or 0.0.0.0, at which a server says that it listens)."""
    try:
        address = ipaddress.ip_address(host)
    except ValueError:
        return host == "localhost" or host.endswith(".localhost")
    return address.is_loopback or address.is_unspecified


def _excepted(netloc: str, host: str) -> bool:
    """Whether `no_proxy` names the host, also by its network."""
    if proxy_bypass(netloc):
        return True
    for entry in getproxies().get("no", "").split(","):
        try:
            if ipaddress.ip_address(host) in ipaddress.ip_network(entry.strip(), strict=False):
                return True
        except ValueError:
            continue
    return False


def client(name: str, url: str, proxy: Proxy | None, **options: Any) -> httpx2.Client:
    """A client for the server at `url` of model `name`; `options` go to `httpx2.Client`.

    Raises `EngineError` if the proxy or the file of certificates cannot be used.
    """
    # A proxy is given explicitly, so that one for other addresses cannot fail.
    make: Callable[..., httpx2.Client] = httpx2.Client
    secure = "https" in (urlsplit(url).scheme, urlsplit(proxy.url).scheme if proxy else "")
    verify = _trust(name) if secure else ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    try:
        return make(
            verify=verify, trust_env=False, proxy=None if proxy is None else proxy.url, **options
        )
    except (ImportError, ValueError, httpx2.InvalidURL) as error:
        if proxy is None:
            raise
        remedy = "name an HTTP proxy"
        if isinstance(error, ImportError):
            remedy = "`pip install socksio`, or name an HTTP proxy"
        raise EngineError(
            f"models.{name}.server.url: {proxy} cannot be used "
            f"({' '.join(str(error).split())[:120]}); {remedy}, or add "
            f"{urlsplit(url).hostname} to no_proxy"
        ) from error


def _trust(name: str) -> ssl.SSLContext:
    try:
        return httpx2.create_ssl_context()
    except (OSError, ssl.SSLError) as error:
        variable = next((each for each in TRUST if os.environ.get(each)), None)
        if variable is None:
            raise
        raise EngineError(
            f"models.{name}.server.url: expected certificates in {os.environ[variable]} "
            f"({variable}), found: {error}; correct the variable or unset it"
        ) from error


def permanent(error: httpx2.TransportError) -> str | None:
    """The remedy if another attempt would fail alike, or None."""
    words = str(error)
    if isinstance(error, httpx2.ProxyError) and words[:3] in ("401", "403", "407"):
        return "correct the proxy's address, user and password, or add the host to no_proxy"
    if "CERTIFICATE_VERIFY_FAILED" in words:
        set_ = [f"{name}={os.environ[name]}" for name in TRUST if os.environ.get(name)]
        if set_:
            return f"its certificate is checked against {' and '.join(set_)}: correct or unset that"
        return "name a file with the certificate of its issuer in SSL_CERT_FILE"
    if "WRONG_VERSION_NUMBER" in words or "record layer failure" in words:
        return "it does not speak TLS: write http:// under `server.url`"
    return None
