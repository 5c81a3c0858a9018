"""Which worker takes a new connection: the one that has the fewest.

All workers wait at one listening socket. Left to themselves, whichever wakes first takes what is
there, and keeps it for as long as the client stays: of ten clients one worker of two may get nine,
which then wait for each other while half of the machine has little to do.
"""

import asyncio
import logging
import mmap
import socket
from typing import Any

from uvicorn.config import Config
from uvicorn.server import Server

log = logging.getLogger(__name__)
_MOST_WORKERS = 128
_NOBODY = -1
_LEAVING = 2**31 - 1
# So long a connection is left to a worker that has fewer; it may be busy, or about to end.
_COURTESY_SECONDS = 0.005
# What asyncio waits when there are no file descriptors left.
_EXHAUSTED_SECONDS = 1.0


class Connections:
    """How many each worker has open, in memory that all share from the fork on."""

    def __init__(self) -> None:
        self._counts = memoryview(mmap.mmap(-1, 4 * _MOST_WORKERS)).cast("i")
        for place in range(_MOST_WORKERS):
            self._counts[place] = _NOBODY
        self._place: int | None = None

    def reserve(self) -> int | None:
        """A place for a worker that is about to be forked; None when there are too many."""
        for place, count in enumerate(self._counts):
            if count == _NOBODY:
                self._counts[place] = 0
                return place
        return None

    def release(self, place: int | None) -> None:
        """The worker that had it has ended."""
        if place is not None:
            self._counts[place] = _NOBODY

    def take(self, place: int | None) -> None:
        """It is this process that has it."""
        self._place = place

    def leave(self) -> None:
        """This worker takes no more: it is never the one with the fewest."""
        if self._place is not None:
            self._counts[self._place] = _LEAVING
        self._place = None

    def add(self, number: int) -> None:
        if self._place is not None:
            self._counts[self._place] += number

    def are_fewest_here(self) -> bool:
        if self._place is None:
            return True
        here = self._counts[self._place]
        return not any(_NOBODY < count < here for count in self._counts)


connections = Connections()


class FairServer(Server):
    """uvicorn's, which accepts when it is this worker's turn."""

    def __init__(self, config: Config) -> None:
        super().__init__(config)
        self.servers: list[Any] = []

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        await super().startup(sockets=[])
        self.servers = [_Acceptor(each, self) for each in sockets or []]

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        connections.leave()
        await super().shutdown(sockets)

    def protocol(self) -> asyncio.Protocol:
        made: asyncio.Protocol = self.config.http_protocol_class(  # type: ignore[call-arg]
            config=self.config, server_state=self.server_state, app_state=self.lifespan.state
        )
        return made


class _Acceptor:
    """In the place of the event loop's server for one listening socket."""

    def __init__(self, listener: socket.socket, server: FairServer) -> None:
        self._listener = listener
        self._server = server
        self._loop = asyncio.get_running_loop()
        self._beginning: set[asyncio.Task[Any]] = set()
        self._pause: asyncio.TimerHandle | None = None
        listener.setblocking(False)
        self._listen()

    def close(self) -> None:
        if self._pause is None:
            self._loop.remove_reader(self._listener)
        else:
            self._pause.cancel()

    async def wait_closed(self) -> None:
        """Nothing to wait for: uvicorn closes the connections."""

    def _listen(self) -> None:
        self._pause = None
        self._loop.add_reader(self._listener, self._someone_comes)

    def _leave(self, seconds: float) -> None:
        self._loop.remove_reader(self._listener)
        self._pause = self._loop.call_later(seconds, self._return)

    def _return(self) -> None:
        self._listen()
        self._accept()

    def _someone_comes(self) -> None:
        if connections.are_fewest_here():
            self._accept()
        else:
            self._leave(_COURTESY_SECONDS)

    def _accept(self) -> None:
        """One only: the next may be another worker's."""
        try:
            client, _ = self._listener.accept()
        except (BlockingIOError, InterruptedError, ConnectionAbortedError):
            return  # another worker has it, or it is gone
        except OSError:
            log.exception("no connection can be accepted for a while")
            self._leave(_EXHAUSTED_SECONDS)
            return
        client.setblocking(False)
        task = self._loop.create_task(
            self._loop.connect_accepted_socket(
                self._server.protocol, client, ssl=self._server.config.ssl
            )
        )
        self._beginning.add(task)
        task.add_done_callback(self._begun)

    def _begun(self, task: asyncio.Task[Any]) -> None:
        self._beginning.discard(task)
        if not task.cancelled() and (error := task.exception()) is not None:
            log.info("a connection could not be begun: %s", error)
