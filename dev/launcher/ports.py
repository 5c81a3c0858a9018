"""TCP ports: is one free, and which one is the sandbox's."""

import contextlib
import errno
import socket
from pathlib import Path

from dev.launcher.errors import LauncherError

_SANDBOX_HOST = "127.0.0.1"


def is_free(host: str, port: int) -> bool:
    """Whether a server could listen there now."""
    try:
        addresses = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)
    except socket.gaierror as error:
        raise LauncherError(f"BIND_HOST={host} is not an address: {error.strerror}.") from None
    for family, kind, protocol, _, address in addresses:
        with socket.socket(family, kind, protocol) as listener:
            # A port in TIME_WAIT counts as free, as it does for the web server.
            listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            try:
                listener.bind(address)
            except PermissionError:
                raise LauncherError(
                    f"port {port} needs more rights than yours. Choose one above 1023: PORT=8000."
                ) from None
            except OSError as error:
                if error.errno == errno.EADDRNOTAVAIL:
                    raise LauncherError(
                        f"BIND_HOST={host} is no address of this machine."
                    ) from None
                return False
    return True


def require_free(host: str, port: int) -> None:
    """Raise LauncherError when the web server's port is taken."""
    if not is_free(host, port):
        raise LauncherError(
            f"port {port} is taken by another program. Stop it or choose another: PORT={port + 1}."
        )


def sandbox_port(remembered_in: Path, *, web_port: int) -> int:
    """The sandbox's port: the same as last time, since hosted invoice pages name it.

    When that is taken, or at first, one of those above the web server's.
    """
    candidates = [port for port in range(web_port + 1, web_port + 100) if port <= 65_535]
    with contextlib.suppress(FileNotFoundError, ValueError):
        candidates.insert(0, int(remembered_in.read_text(encoding="ascii")))
    for port in candidates:
        if port != web_port and is_free(_SANDBOX_HOST, port):
            remembered_in.parent.mkdir(mode=0o700, exist_ok=True)
            remembered_in.write_text(f"{port}\n", encoding="ascii")
            return port
    raise LauncherError(
        f"no free port for the Stripe sandbox between {web_port} and {web_port + 100}."
    )
