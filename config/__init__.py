# In this order: the file `.env`, which `config.env` reads, may name the settings that Celery takes.
from config import env  # isort: skip
from config.celery import app as celery_app

__all__ = ["celery_app", "env"]
