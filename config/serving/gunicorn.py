"""How gunicorn serves this project: `gunicorn --config python:config.serving.gunicorn`, address and
workers on the command line."""

import os
import shutil
import sys
import tempfile
from typing import Any

from config.env import require_settings_apart
from config.serving.worker import note_worker

worker_class = "config.serving.worker.Worker"
keepalive = 75
timeout = 60

# A wrong setting ends it here, with one line, instead of in each worker. Workers read the settings
# by themselves, anew after SIGHUP.
require_settings_apart()

# Where the workers count requests together (`config.metrics`), set before they import anything.
_DIRECTORY = tempfile.mkdtemp(prefix="billing-web-")
os.environ["PROMETHEUS_MULTIPROC_DIR"] = os.environ.get("PROMETHEUS_MULTIPROC_DIR") or _DIRECTORY


def child_exit(server: Any, worker: Any) -> None:
    note_worker(worker.age)


def on_exit(server: Any) -> None:
    shutil.rmtree(_DIRECTORY, ignore_errors=True)


def post_worker_init(worker: Any) -> None:
    """Start its processes."""
    # Threads that hold the interpreter hand over after this time: a request that takes a
    # millisecond should not wait for the five that are the default.
    sys.setswitchinterval(0.0005)
    worker.wsgi.start_processes()
