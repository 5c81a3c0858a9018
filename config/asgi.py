"""What the web server runs: the hot endpoints' door, and the whole of Django behind it."""

import os

from django.core.wsgi import get_wsgi_application

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "config.settings.production")

_django = get_wsgi_application()

from config import env, metrics  # noqa: E402 - what they import needs Django set up
from config.longway import LongWay  # noqa: E402
from config.patience import Patience  # noqa: E402
from usage.api.door import Door  # noqa: E402

door = Door(
    LongWay(_django, threads=env.integer("WEB_THREADS", 16, min=1, max=256)),
    observe=metrics.observe,
)
application = Patience(door)
