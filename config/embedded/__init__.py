import os
from pathlib import Path
from types import SimpleNamespace


def local_dir():
    return Path(os.environ.get("LOCAL_DIR", ".local")).resolve()


def secret_key():
    return "x" * 50


def database_url():
    return os.environ.get("DATABASE_URL", "postgresql://billing@/billing?host=/tmp/leadpg")


def redis_urls():
    return SimpleNamespace(
        cache_url=os.environ.get("REDIS_URL", "redis://127.0.0.1:6379"),
        celery_url=os.environ.get("REDIS_URL", "redis://127.0.0.1:6379"),
    )


def stripe():
    return SimpleNamespace(
        api_base="", secret_key=os.environ.get("STRIPE_SECRET_KEY", "sk_test_123")
    )
