"""How gunicorn serves this project; `gunicorn --config python:config.gunicorn`.

Bind address and workers are given on the command line.
"""

import gc
import os
import shutil
import sys
import tempfile
from typing import Any

worker_class = "config.web.Worker"
keepalive = 75
timeout = 60

# Where the workers count requests together (`config.metrics`), set before they import anything.
_OWN_COUNTS = None
if not os.environ.get("PROMETHEUS_MULTIPROC_DIR"):
    _OWN_COUNTS = tempfile.mkdtemp(prefix="billing-metrics-")
    os.environ["PROMETHEUS_MULTIPROC_DIR"] = _OWN_COUNTS


def on_exit(server: Any) -> None:
    if _OWN_COUNTS is not None:
        shutil.rmtree(_OWN_COUNTS, ignore_errors=True)


def post_worker_init(worker: Any) -> None:
    """Tune a worker once everything is imported.

    A batch of 10,000 records makes some hundred thousand objects that hold no cycles: with the
    default thresholds the collector would walk all of them over and over, for two thirds of the
    time. What is imported by now never goes away, so it is not walked at all.
    """
    gc.collect()
    gc.freeze()
    gc.set_threshold(200_000, 50, 100)
    # Threads that parse a batch hand over after this time: a request that takes a millisecond
    # should not wait for the five that are the default.
    sys.setswitchinterval(0.0005)
