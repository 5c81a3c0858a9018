"""Settings for the tests: each process by itself, nothing slow on purpose, nothing sent."""

import os

from config.settings.base import *

INSTALLED_APPS += ["dev"]

# Tests of it turn it on.
STAFF_SECOND_FACTOR = False

# Tests stop the clock, and set it. Those of clocks turn this on.
CLOCK_TOLERANCE_SECONDS = 0

# Pages are tested without collecting static files first, which the hashed names would need.
STORAGES["staticfiles"]["BACKEND"] = "django.contrib.staticfiles.storage.StaticFilesStorage"
# Each test client would look at every static file there is, which costs more than most tests.
WHITENOISE_AUTOREFRESH = True
# Empties the database faster after tests that commit.
DATABASES["default"]["ENGINE"] = "tests.kit.database"
# Tests that commit end with emptying every table, which usage records refuse otherwise.
DATABASES["default"]["OPTIONS"]["options"] = "-c usage.allow_truncate=on"
# Slow on purpose in production; here it would only make every sign-in cost half a second.
PASSWORD_HASHERS = ["django.contrib.auth.hashers.MD5PasswordHasher"]
# Tests clear the cache: each process of a parallel run has its own, and none is the demo's.
_process = int(os.environ.get("PYTEST_XDIST_WORKER", "gw0").removeprefix("gw"))
_server, _, _ = CACHES["default"]["LOCATION"].partition("?")
CACHES["default"]["LOCATION"] = f"{_server}?db={2 + _process % 14}"
# What a test queues must not wait for the demo's worker.
CELERY_BROKER_URL = "memory://"
