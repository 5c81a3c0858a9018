"""Webhooks to addresses that people typed: HTTPS only, and never into a private network.

The name is looked up once, every address that it has must be a public one, and the connection goes
to the address that was looked at: a name that answers otherwise a moment later leads nowhere.
Redirects are not followed, and of an answer only its status is read.
"""

import http.client
import ipaddress
import re
import socket
import ssl
from collections.abc import Mapping
from contextlib import suppress
from threading import Timer
from urllib.parse import SplitResult, urlsplit

from django.conf import settings

MAX_URL = 500
_HOST = re.compile(
    r"[A-Za-z0-9_]([A-Za-z0-9_-]*[A-Za-z0-9_])?(\.[A-Za-z0-9_]([A-Za-z0-9_-]*[A-Za-z0-9_])?)+"
)
_LOCAL_NAMES = (".local", ".localhost", ".internal", ".lan", ".home.arpa")


class UnfitAddress(ValueError):
    """Nothing is sent there, however often one tries; `code` says why."""

    def __init__(self, code: str) -> None:
        super().__init__(code)
        self.code = code


class NotDelivered(Exception):
    """No answer, or one that says no: trying again may help."""


class DeliveryRejected(Exception):
    """An answer by which trying again will not help."""


def check_address(url: str) -> SplitResult:
    """Its parts; raises `UnfitAddress`. Looks nothing up: what its name leads to is seen later."""
    if len(url) > MAX_URL or not url.isascii() or not url.isprintable() or " " in url:
        raise UnfitAddress("invalid_url")
    try:
        parts = urlsplit(url)
        _port = parts.port
    except ValueError:
        raise UnfitAddress("invalid_url") from None
    host = (parts.hostname or "").rstrip(".")
    if not host or parts.fragment or "\\" in url:
        raise UnfitAddress("invalid_url")
    if parts.username is not None or parts.password is not None:
        raise UnfitAddress("url_with_password")
    if (literal := _address(host)) is not None:
        if not _is_allowed(literal):
            raise UnfitAddress("private_address")
    elif f".{host}".lower().endswith(_LOCAL_NAMES):
        if not settings.WEBHOOK_PRIVATE_NETWORKS:
            raise UnfitAddress("private_address")
    elif not _HOST.fullmatch(host) or host.rpartition(".")[2].isdigit():
        # Also 0x7f.1 and 127.1, which some systems take for addresses.
        raise UnfitAddress("invalid_url")
    if parts.scheme != "https" and not (
        parts.scheme == "http" and settings.WEBHOOK_PRIVATE_NETWORKS
    ):
        raise UnfitAddress("https_only")
    return parts


def post(url: str, body: bytes, headers: Mapping[str, str]) -> None:
    """Send it. Raises `UnfitAddress`, `NotDelivered` and `DeliveryRejected`."""
    parts = check_address(url)
    port = parts.port or (443 if parts.scheme == "https" else 80)
    address = _looked_up(parts.hostname or "", port)
    if parts.scheme == "http" and not address.is_private:
        raise UnfitAddress("https_only")
    connection = _Pinned(parts, port, str(address))
    # Each wait has its time-out; the timer ends a server that answers a byte at a time.
    deadline = Timer(3 * settings.WEBHOOK_TIMEOUT_SECONDS, connection.abort)
    deadline.daemon = True
    deadline.start()
    target = (parts.path or "/") + (f"?{parts.query}" if parts.query else "")
    try:
        connection.request("POST", target, body, {"User-Agent": "billing-webhook", **headers})
        status = connection.getresponse().status
    except (OSError, http.client.HTTPException) as error:
        raise NotDelivered(f"{type(error).__name__}: {error}"[:300]) from None
    finally:
        deadline.cancel()
        connection.close()
    if 200 <= status < 300:
        return
    if status in (408, 425, 429) or status >= 500:
        raise NotDelivered(f"It answers {status}.")
    raise DeliveryRejected(f"It answers {status}.")


class _Pinned(http.client.HTTPConnection):
    """A connection to one address, under the name that it was looked up for."""

    def __init__(self, parts: SplitResult, port: int, address: str) -> None:
        super().__init__(parts.hostname or "", port, timeout=settings.WEBHOOK_TIMEOUT_SECONDS)
        self._address = address
        self._tls = ssl.create_default_context() if parts.scheme == "https" else None
        if parts.port is None and self._tls is not None:
            self.default_port = 443

    def connect(self) -> None:
        plain = socket.create_connection((self._address, self.port), self.timeout)
        self.sock = plain
        if self._tls is not None:
            self.sock = self._tls.wrap_socket(plain, server_hostname=self.host)

    def abort(self) -> None:
        with suppress(OSError, AttributeError):
            self.sock.shutdown(socket.SHUT_RDWR)


_Address = ipaddress.IPv4Address | ipaddress.IPv6Address


def _looked_up(host: str, port: int) -> _Address:
    try:
        found = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)
    except (OSError, UnicodeError) as error:
        raise NotDelivered(f"{host} is not found: {error}"[:300]) from None
    addresses = [ipaddress.ip_address(str(each[4][0]).partition("%")[0]) for each in found]
    if not addresses:
        raise NotDelivered(f"{host} has no address.")
    if not all(map(_is_allowed, addresses)):
        raise UnfitAddress("private_address")
    return addresses[0]


def _address(host: str) -> _Address | None:
    try:
        return ipaddress.ip_address(host)
    except ValueError:
        return None


def _is_allowed(address: _Address) -> bool:
    """A public address, or one of the networks that the settings name."""
    if isinstance(address, ipaddress.IPv6Address):
        # The address of another kind that stands inside of it.
        inner = address.ipv4_mapped or address.sixtofour or (address.teredo or (None, None))[1]
        if inner is not None:
            return _is_allowed(inner)
        if address in _NAT64:
            return _is_allowed(ipaddress.IPv4Address(int(address) & 0xFFFFFFFF))
    if address.is_global and not address.is_multicast and not _is_special(address):
        return True
    return any(
        address in network
        for network in settings.WEBHOOK_PRIVATE_NETWORKS
        if network.version == address.version
    )


def _is_special(address: _Address) -> bool:
    """What `is_global` takes for public, and no server on the Internet has."""
    if isinstance(address, ipaddress.IPv6Address) and address not in _UNICAST:
        return True
    return any(address.version == each.version and address in each for each in _SPECIAL)


_NAT64 = ipaddress.ip_network("64:ff9b::/96")
# All others are of this machine, of a network, or nobody's: some hold an address of IPv4.
_UNICAST = ipaddress.ip_network("2000::/3")
# For protocols, once for relays of 6to4, and for documentation.
_SPECIAL = tuple(map(ipaddress.ip_network, ("192.0.0.0/24", "192.88.99.0/24", "3fff::/20")))
