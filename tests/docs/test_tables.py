"""Tables of the documentation that list what the code has: events and the schedule."""

import fnmatch
import re
from pathlib import Path

from celery.schedules import crontab
from django.apps import apps
from django.conf import settings

from invoices.payments.webhooks.handlers import HANDLED_EVENTS

ROOT = Path(__file__).resolve().parents[2]


def section(page: str, heading: str) -> str:
    text = (ROOT / "docs" / page).read_text(encoding="utf-8")
    return re.split(
        r"^## ", text.partition(f"\n## {heading}\n")[2], maxsplit=1, flags=re.MULTILINE
    )[0]


def test_the_table_of_events_is_that_of_the_handlers() -> None:
    rows = re.findall(
        r"^\| (`.+?) \|", section("stripe.md", "Events and their effects"), re.MULTILINE
    )
    patterns = [name for row in rows for name in re.findall(r"`([a-z_.*]+)`", row)]
    documented = {each for name in patterns for each in fnmatch.filter(HANDLED_EVENTS, name)}

    assert sorted(documented) == HANDLED_EVENTS
    assert [name for name in patterns if not fnmatch.filter(HANDLED_EVENTS, name)] == []


def when(schedule: float | crontab) -> str:
    """As the table says it."""
    if not isinstance(schedule, crontab):
        return {60.0: "every minute"}[schedule]
    minute, hour = str(schedule._orig_minute), str(schedule._orig_hour)
    if minute.startswith("*/"):
        return f"every {minute.removeprefix('*/')} minutes"
    if hour == "*":
        return f"every hour, {int(minute)} past"
    return f"every night, {int(hour):02}:{int(minute):02} UTC"


def test_the_table_of_the_schedule_is_that_of_beat() -> None:
    rows = re.findall(
        r"^\| `(\S+)` \| (.+?) \|", section("operations.md", "The schedule"), re.MULTILINE
    )
    beat = settings.CELERY_BEAT_SCHEDULE.values()

    assert sorted(rows) == sorted((each["task"], when(each["schedule"])) for each in beat)


def test_every_table_says_what_it_grows_with_and_what_ends_it() -> None:
    page = (ROOT / "docs" / "operations.md").read_text(encoding="utf-8")
    rows = re.findall(r"^\| (`.+) \| .+ \| .+ \|$", page.partition("### What grows")[2], re.M)
    listed = [name for row in rows for name in re.findall(r"`(\w+)`", row)]
    tables = {
        model._meta.db_table
        for model in apps.get_models(include_auto_created=True)
        if model._meta.app_label not in ("djstripe", "dev")
    }
    assert tables <= set(listed), sorted(tables - set(listed))
    assert len(listed) == len(set(listed))
