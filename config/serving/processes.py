"""A few processes beside the web worker, for batches: reading and pricing a thousand records keeps
Python's interpreter busy for so long that whoever asks for admission would wait behind it."""

import asyncio
import logging
import os
import signal
import threading
from collections.abc import Callable
from concurrent.futures import ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from multiprocessing import active_children, get_context, parent_process
from typing import TypeVar

from billing.errors import BillingError

log = logging.getLogger(__name__)
PROCESSES = 3
# Behind whoever answers single requests, when both want the processor.
_NICENESS = 5
# What its process group may get: a process ends with its worker.
_IGNORED = (signal.SIGTERM, signal.SIGINT, signal.SIGQUIT, signal.SIGHUP, signal.SIGUSR1)
T = TypeVar("T")


class CutShort(BillingError):
    """Nobody knows whether the work was done."""

    status = 503
    code = "unavailable"
    headers = {"Retry-After": "2"}


class Processes:
    """Forked before the worker has threads. They end when it does, by whatever death. When one dies
    by itself, what they were at is answered 503, the worker retires, and gunicorn starts another.
    """

    def __init__(self) -> None:
        self._pool = ProcessPoolExecutor(
            PROCESSES, mp_context=get_context("fork"), initializer=_live
        )
        self._pool.submit(os.getpid).result()  # the first to ask forks them all

    async def run(self, work: Callable[[], T]) -> T:
        """Raises `CutShort` when a process died."""
        loop = asyncio.get_running_loop()
        try:
            return await loop.run_in_executor(self._pool, work)
        except BrokenProcessPool as error:
            log.exception("a process of this worker died; the worker retires")
            # Otherwise one may wait for ever for what the dead one held.
            for each in active_children():
                each.kill()
            os.kill(os.getpid(), signal.SIGTERM)
            raise CutShort(
                "The work was cut short. Send it again: nothing is counted twice."
            ) from error

    def stop(self) -> None:
        self._pool.shutdown()


def _live() -> None:
    for number in _IGNORED:
        signal.signal(number, signal.SIG_IGN)
    os.nice(_NICENESS)

    def end_with_the_worker() -> None:
        if worker := parent_process():
            worker.join()
        os._exit(0)

    threading.Thread(target=end_with_the_worker, daemon=True).start()
