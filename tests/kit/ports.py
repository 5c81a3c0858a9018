"""Ports for servers of tests, which no other test and no connection gets meanwhile."""

import random
import socket
from collections.abc import Iterator
from contextlib import contextmanager

# Below those that Linux gives to connections and to whoever listens at port 0.
_OURS = range(20_000, 32_000)


def free_port() -> int:
    """One that nobody listens at, for a server that is started now."""
    for port in random.SystemRandom().sample(_OURS, 100):
        with socket.socket() as probe:
            try:
                probe.bind(("127.0.0.1", port))
            except OSError:
                continue
            return port
    raise AssertionError("no port is free")


@contextmanager
def refusing_port() -> Iterator[int]:
    """One that refuses connections, and is kept from others who might not."""
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        yield int(taken.getsockname()[1])
