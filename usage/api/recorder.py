"""Batches are recorded in a process of their own beside each web worker.

Reading and pricing a thousand records keeps Python's interpreter busy for so long that whoever asks
for admission in the same process would wait behind it. A recorder takes one job from a connection,
answers it there and closes it. All recorders of a server accept from one Unix socket, so that work
goes to whichever is free; what comes while none is waits in the socket's queue.

A recorder is forked from its web worker before that has threads, and ends when the worker does, by
whatever death: the kernel then closes the worker's end of their lifeline. Jobs under way are
finished. Should a recorder die by itself, what it was at is answered 503, its worker retires, and
gunicorn starts another pair. Sending a batch again counts nothing twice.
"""

import asyncio
import logging
import os
import signal
import socket
import threading
from collections.abc import Iterable
from concurrent.futures import ThreadPoolExecutor
from typing import NoReturn

import msgspec
from django.db import connection

from billing.errors import BillingError
from usage.api.jobs import Job, Reply, perform

log = logging.getLogger(__name__)
# One reads and prices while PostgreSQL writes for the other.
_JOBS_AT_ONCE = 2
# Behind whoever answers single requests, when both want the processor.
_NICENESS = 5
_PATIENCE_SECONDS = 2
# Of the signals that its group may get: its lifeline tells it when to end.
_IGNORED = (signal.SIGTERM, signal.SIGINT, signal.SIGQUIT, signal.SIGHUP, signal.SIGUSR1)
_reply = msgspec.msgpack.Decoder(Reply)
_job = msgspec.msgpack.Decoder(Job)


class CutShort(BillingError):
    """Nobody knows whether the work was done."""

    status = 503
    code = "unavailable"
    headers = {"Retry-After": "2"}

    def __init__(self) -> None:
        super().__init__("The work was cut short. Send it again: nothing is counted twice.")


class WorkFailed(RuntimeError):
    """A recorder met an error of ours; its log has the details."""


class Recorder:
    """A worker's own recorder, and its way to all of them."""

    def __init__(self, listener: socket.socket, *, not_ours: Iterable[socket.socket]) -> None:
        """Fork it; `listener` is shared by all, `not_ours` is what no recorder must hold open."""
        self._address: str = listener.getsockname()
        self._stopping = False
        self._lifeline, theirs = socket.socketpair()
        self._pid = os.fork()
        if self._pid == 0:
            status = 1
            try:
                self._lifeline.close()
                for each in not_ours:
                    each.close()
                _live(listener, theirs)
                status = 0
            except BaseException:
                log.exception("the recorder failed")
            finally:
                os._exit(status)
        theirs.close()
        self._watcher = threading.Thread(target=self._watch, name="recorder", daemon=True)
        self._watcher.start()

    async def perform(self, job: Job) -> Reply:
        """Have it done. Raises `CutShort` when a recorder died, `WorkFailed` for our faults."""
        try:
            reader, writer = await asyncio.open_unix_connection(self._address)
            try:
                writer.write(msgspec.msgpack.encode(job))
                writer.write_eof()
                answer = await reader.read()
            finally:
                writer.close()
        except OSError as error:
            raise CutShort from error
        if not answer:
            raise CutShort
        reply = _reply.decode(answer)
        if reply.status == 500:
            raise WorkFailed(f"this could not be done: {job.kind}")
        return reply

    def stop(self) -> None:
        """Let it end, and wait a while for what it is still at."""
        self._stopping = True
        self._lifeline.close()
        self._watcher.join(_PATIENCE_SECONDS)

    def _watch(self) -> None:
        os.waitpid(self._pid, 0)
        if not self._stopping:
            log.error("the recorder died; this worker retires")
            os.kill(os.getpid(), signal.SIGTERM)


class _WorkerEnded(Exception):
    pass


def _live(listener: socket.socket, lifeline: socket.socket) -> None:
    """The recorder's whole life."""
    for number in _IGNORED:
        signal.signal(number, signal.SIG_IGN)
    os.nice(_NICENESS)

    def end(*_: object) -> NoReturn:
        raise _WorkerEnded

    signal.signal(signal.SIGUSR2, end)
    main = threading.main_thread().ident
    assert main is not None

    def watch() -> None:
        lifeline.recv(1)
        signal.pthread_kill(main, signal.SIGUSR2)

    threading.Thread(target=watch, daemon=True).start()
    # What cannot be begun is left in the socket's queue, where another recorder finds it.
    free = threading.Semaphore(_JOBS_AT_ONCE)
    pool = ThreadPoolExecutor(_JOBS_AT_ONCE)
    try:
        while True:
            free.acquire()
            client, _ = listener.accept()
            pool.submit(_work, client).add_done_callback(lambda _: free.release())
    except _WorkerEnded:
        pool.shutdown(wait=True)


def _work(client: socket.socket) -> None:
    with client:
        parts = []
        while part := client.recv(1 << 20):
            parts.append(part)
        try:
            reply = perform(_job.decode(b"".join(parts)))
        except Exception:
            log.exception("a batch could not be recorded")
            reply = Reply(500, b"")
        finally:
            connection.close()  # back to the pool
        try:
            client.sendall(msgspec.msgpack.encode(reply))
        except OSError:
            log.warning("nobody waits for the answer to a batch any more")
