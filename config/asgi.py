"""What the web server runs: see `config/serving/README.md`."""

import os

import django

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "config.settings.production")
django.setup()

from django.conf import settings  # noqa: E402

from config.serving.application import Application  # noqa: E402 - needs Django set up
from config.serving.collector import tune  # noqa: E402
from usage.api.hot import HOT_ENDPOINTS  # noqa: E402

application = Application(HOT_ENDPOINTS, threads=settings.WEB_THREADS)
tune()
