"""Close all that is due, in a process of its own: `close_once.py NOW`."""

import datetime as dt
import os
import sys

os.environ["DJANGO_SETTINGS_MODULE"] = "config.settings.local"

import django

django.setup()

from invoices.services.closing import finalize_due_periods  # noqa: E402

finalize_due_periods(now=dt.datetime.fromisoformat(sys.argv[1]))
