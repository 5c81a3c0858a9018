"""The Celery application; tasks are found in each app's `tasks.py`."""

import logging.config
import os
from typing import Any

from celery import Celery
from celery.signals import setup_logging, task_postrun, task_prerun
from django.conf import settings

from billing import audit
from config.env import require_settings

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "config.settings.production")

app = Celery("config")
app.config_from_object("django.conf:settings", namespace="CELERY")
app.autodiscover_tasks()


@app.on_configure.connect(weak=False)
def _read_settings(**kwargs: Any) -> None:
    require_settings()


@setup_logging.connect(weak=False)
def _log_as_everywhere(**kwargs: Any) -> None:
    """In place of Celery's own logging, which is no JSON and hides no secret."""
    logging.config.dictConfig(settings.LOGGING)


@task_prerun.connect(weak=False)
def _attribute_changes(task: Any, **kwargs: Any) -> None:
    audit.begin_task(task.name)


@task_postrun.connect(weak=False)
def _end_attribution(**kwargs: Any) -> None:
    audit.end_task()
