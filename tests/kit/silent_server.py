"""A server that takes connections and says nothing."""

import contextlib
import socket
from collections.abc import Iterator


class SilentServer:
    def __init__(self, server: socket.socket) -> None:
        self._server = server
        self._server.setblocking(False)
        self._taken: list[socket.socket] = []
        self.port = server.getsockname()[1]

    def connections(self) -> int:
        """How many have been made until now."""
        with contextlib.suppress(BlockingIOError):
            while True:
                self._taken.append(self._server.accept()[0])
        return len(self._taken)


@contextlib.contextmanager
def silent_server() -> Iterator[SilentServer]:
    with socket.create_server(("127.0.0.1", 0)) as server:
        yield SilentServer(server)
