"""What the web server runs: see `config/serving/README.md`."""

import os

import django

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "config.settings.production")
django.setup()

from config import env  # noqa: E402 - what these import needs Django set up
from config.serving.application import Application  # noqa: E402
from usage.api.hot import HOT_ENDPOINTS  # noqa: E402

application = Application(HOT_ENDPOINTS, threads=env.integer("WEB_THREADS", 16, min=1, max=256))
