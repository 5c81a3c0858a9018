"""How gunicorn serves this project; `gunicorn --config python:config.serving.gunicorn`.

Bind address and workers are given on the command line.
"""

import gc
import os
import shutil
import sys
import tempfile
from typing import Any

from config.serving.worker import connections as _connections

worker_class = "config.serving.worker.Worker"
keepalive = 75
timeout = 60

_OWN_DIRECTORY = ""
# Where the workers count requests together (`config.metrics`), set before they import anything.
if not os.environ.get("PROMETHEUS_MULTIPROC_DIR"):
    _OWN_DIRECTORY = tempfile.mkdtemp(prefix="billing-web-")
    os.environ["PROMETHEUS_MULTIPROC_DIR"] = _OWN_DIRECTORY


def pre_fork(server: Any, worker: Any) -> None:
    worker.place = _connections.reserve()


def child_exit(server: Any, worker: Any) -> None:
    _connections.release(worker.place)


def on_exit(server: Any) -> None:
    if _OWN_DIRECTORY:
        shutil.rmtree(_OWN_DIRECTORY, ignore_errors=True)


def post_worker_init(worker: Any) -> None:
    """Tune a worker once everything is imported, and start its processes.

    A batch of 10,000 records makes some hundred thousand objects that hold no cycles: with the
    default thresholds the collector would walk all of them over and over, for two thirds of the
    time. What is imported by now never goes away, so it is not walked at all.
    """
    gc.collect()
    gc.freeze()
    gc.set_threshold(200_000, 50, 100)
    # Threads that hold the interpreter hand over after this time: a request that takes a
    # millisecond should not wait for the five that are the default.
    sys.setswitchinterval(0.0005)

    # This needs Django set up, as only a worker has it.
    from config.asgi import application  # noqa: PLC0415 - see above

    application.lanes.start_processes(not_theirs=worker.sockets)
