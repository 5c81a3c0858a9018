"""Tasks are started by name: each name in the code, and in the schedule, is that of a task."""

import re
from pathlib import Path

from django.conf import settings

from config import celery_app

ROOT = Path(__file__).parent.parent
ROOMS = ["billing", "usage", "invoices", "analytics", "config", "dev"]
STARTED = re.compile(r"""\benqueue\(\s*["']([^"']+)["']""")


def test_every_name_that_is_started_is_a_task() -> None:
    started = {
        name: path.relative_to(ROOT).as_posix()
        for room in ROOMS
        for path in (ROOT / room).rglob("*.py")
        for name in STARTED.findall(path.read_text())
    }
    assert len(started) > 10
    unknown = {name: place for name, place in started.items() if name not in celery_app.tasks}
    assert unknown == {}


def test_every_name_in_the_schedule_is_a_task() -> None:
    scheduled = {entry["task"] for entry in settings.CELERY_BEAT_SCHEDULE.values()}
    assert scheduled <= set(celery_app.tasks)
