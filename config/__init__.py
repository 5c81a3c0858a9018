import atexit
import gc

# Half a million objects are made before any process of this project is ready, and none of them is
# garbage: looking through them again and again took a quarter of each start. What makes garbage
# afterwards is still looked through; the web server's workers set their own (`serving.collector`).
gc.set_threshold(50_000, 20, 50)
# The same at the end, where Python would look several times more: half of what a command takes.
atexit.register(gc.freeze)

# In this order: the file `.env`, which `config.env` reads, may name the settings that Celery takes.
from config import env  # noqa: E402 # isort: skip
from config.celery import app as celery_app  # noqa: E402

__all__ = ["celery_app", "env"]
