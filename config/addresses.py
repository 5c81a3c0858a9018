"""Addresses of PostgreSQL and Redis, from the environment, as Django wants them."""

from typing import Any
from urllib.parse import urlsplit

from django.core.exceptions import ImproperlyConfigured
from psycopg import ProgrammingError
from psycopg.conninfo import conninfo_to_dict

from config import env

# A server that is gone, or does not answer, is noticed: seconds to connect, and for a connection on
# which nothing comes back (milliseconds, for what was sent and never received). The address may
# say otherwise. What is received and not answered, `config.database.base` notices.
_NOTICED = {
    "connect_timeout": "5",
    "keepalives_idle": "15",
    "keepalives_interval": "5",
    "keepalives_count": "3",
    "tcp_user_timeout": "30000",
}


def postgres(name: str, *, default: str) -> dict[str, Any]:
    """A database for `DATABASES`, from a URL as libpq reads it, options of libpq included."""
    url = env.text(
        name,
        default,
        form=r"postgres(ql)?://",
        wanted="an address that begins with postgresql://",
    )
    try:
        parts = conninfo_to_dict(url)
    except ProgrammingError as error:
        raise ImproperlyConfigured(f"{name} is not an address of PostgreSQL: {error}") from None
    known = {
        "dbname": "NAME",
        "user": "USER",
        "password": "PASSWORD",
        "host": "HOST",
        "port": "PORT",
    }
    return {
        "ENGINE": "config.database",
        **{theirs: parts.pop(ours, "") or "" for ours, theirs in known.items()},
        "OPTIONS": _NOTICED | parts,
    }


def redis(name: str, *, default: str) -> str:
    wanted = "an address that begins with redis://, rediss://, redis+socket:// or unix://"
    return env.text(name, default, form=r"(rediss?|redis\+socket|unix)://", wanted=wanted)


def next_database(redis_url: str) -> str:
    """The address of the database with the next number in the same server."""
    parts = urlsplit(redis_url)
    number = parts.path.strip("/") or "0"
    if not number.isdecimal():
        raise ImproperlyConfigured(
            f"REDIS_URL ends in {parts.path!r}, not in a database's number: set CACHE_URL too."
        )
    return parts._replace(path=f"/{int(number) + 1}").geturl()
