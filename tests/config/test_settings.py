"""Settings as they are read from the environment, in processes of their own."""

import os
import runpy
import subprocess
import sys
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path

import pytest
from django.core.exceptions import ImproperlyConfigured

from config import env
from config.addresses import next_database
from tests.kit.forked import Ready

ROOT = Path(__file__).resolve().parents[2]
Read = Callable[..., subprocess.CompletedProcess[str]]
PRODUCTION = {
    "DATABASE_URL": "postgresql://billing:hush@db.acme.test/billing?sslmode=verify-full",
    "REDIS_URL": "rediss://redis.acme.test:6379/0",
    "SECRET_KEY": "kR3vP8sT1wX6yB9cD2fG5hJ7mN4qZ0aE8uV3xL6pS1",
    "ALLOWED_HOSTS": "billing.acme.test, www.acme.test",
    "HTTPS": "true",
    "SITE_URL": "https://billing.acme.test/",
    "ISSUER_NAME": "Acme Inc.",
    "ISSUER_ADDRESS": "1 Main Street",
    "FINANCE_EMAILS": "finance@acme.test",
    "STRIPE_SECRET_KEY": "rk_live_acme",
    "EMAIL_HOST": "smtp.acme.test",
    "DEFAULT_FROM_EMAIL": "billing@acme.test",
}


@pytest.fixture(scope="module")
def read() -> Iterator[Read]:
    """Import the settings where nothing but `environment` is set, and print an expression."""
    # What they import of others, which looks at no setting of ours.
    libraries = (
        "import celery.app, csp.constants, django.db.models, django.http, environs, psycopg, "
        "redis.asyncio, sentry_sdk, stripe, structlog.dev"
    )
    nothing = {"PATH": os.environ["PATH"], "ENV_FILE": ""}
    with Ready(libraries, nothing) as ready:

        def read_(
            settings: str, environment: Mapping[str, str], expression: str = "None"
        ) -> subprocess.CompletedProcess[str]:
            code = f"from config.settings import {settings} as s; print(({expression}))"
            return ready.run(code, nothing | dict(environment))

        yield read_


def run(arguments: list[str], environment: Mapping[str, str]) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, *arguments],
        cwd=ROOT,
        env={"PATH": os.environ["PATH"], "ENV_FILE": "", **environment},
        capture_output=True,
        text=True,
        check=False,
    )


def why(done: subprocess.CompletedProcess[str]) -> str:
    """The last line, which is what somebody who starts it looks at."""
    assert done.returncode == 1, done.stdout
    return done.stderr.strip().splitlines()[-1].rpartition("ImproperlyConfigured: ")[2]


def test_importing_the_settings_starts_nothing(read: Read, tmp_path: Path) -> None:
    done = read(
        "local",
        {"LOCAL_DIR": str(tmp_path / "local")},
        "s.DATABASES['default']['NAME'], s.CELERY_BROKER_URL, s.CACHES['default']['LOCATION']",
    )

    assert done.stdout == "('billing', 'redis://localhost:6379/0', 'redis://localhost:6379/1')\n"
    assert not (tmp_path / "local").exists()


def test_production_takes_what_it_is_given(read: Read) -> None:
    done = read(
        "production",
        PRODUCTION,
        "s.ALLOWED_HOSTS, s.SITE_URL, s.STRIPE_LIVE_MODE, s.STRIPE_API_BASE, "
        "s.DATABASES['default']['PASSWORD'], s.DATABASES['default']['OPTIONS']['sslmode'], "
        "s.CACHES['default']['LOCATION'], 'dev' in s.INSTALLED_APPS",
    )

    assert done.stdout.strip() == (
        "(['billing.acme.test', 'www.acme.test'], 'https://billing.acme.test', True, "
        "'https://api.stripe.com', 'hush', 'verify-full', 'rediss://redis.acme.test:6379/1', "
        "False)"
    )


def test_production_names_all_that_is_missing(read: Read) -> None:
    given = {name: value for name, value in PRODUCTION.items() if name != "SECRET_KEY"}

    assert why(read("production", given | {"REDIS_URL": " "})) == (
        "not set, but needed in production: REDIS_URL, SECRET_KEY."
    )


def test_production_does_not_run_in_debug_mode(read: Read) -> None:
    assert "DEBUG must be false" in why(read("production", PRODUCTION | {"DEBUG": "true"}))


@pytest.mark.parametrize(
    ("changed", "message"),
    [
        ({"SECRET_KEY": "acme" * 12}, "SECRET_KEY must be 40 or more random characters"),
        ({"SECRET_KEY": "short"}, "SECRET_KEY must be 40 or more random characters"),
        ({"STRIPE_SECRET_KEY": "sk_test_x"}, "STRIPE_SECRET_KEY must be a live key"),
        (
            {"STRIPE_API_BASE": "http://127.0.0.1:12111"},
            "STRIPE_API_BASE must be https://api.stripe.com",
        ),
        ({"SITE_URL": "http://billing.acme.test"}, "SITE_URL must begin with https://"),
        ({"HTTPS": "false"}, "HTTPS must be true"),
        ({"ALLOWED_HOSTS": "*"}, "ALLOWED_HOSTS must name the site's hosts, not *"),
        ({"FINANCE_EMAILS": "finance"}, "FINANCE_EMAILS must be addresses that mail reaches"),
        (
            {"DEFAULT_FROM_EMAIL": "Billing <billing@acme.invalid>"},
            "DEFAULT_FROM_EMAIL must be addresses that mail reaches",
        ),
    ],
)
def test_production_does_not_start_with_what_is_unsafe(
    read: Read, changed: dict[str, str], message: str
) -> None:
    assert why(read("production", PRODUCTION | changed)) == (f"not safe in production: {message}.")


_OF_STAGING = {
    "STRIPE_SECRET_KEY": "sk_test_x",
    "STRIPE_API_BASE": "http://127.0.0.1:12111",
    "SITE_URL": "http://billing.acme.test",
    "HTTPS": "false",
}


def test_staging_may_have_a_test_key_and_plain_http_and_nothing_else(read: Read) -> None:
    assert why(read("production", PRODUCTION | _OF_STAGING)).count("; ") == 3
    done = read("production", PRODUCTION | _OF_STAGING | {"STAGING": "true"}, "s.STAGING")
    assert done.stdout == "True\n"
    done = read("production", PRODUCTION | {"STAGING": "true", "SECRET_KEY": "short"})
    assert why(done).startswith("not safe in production: SECRET_KEY must be")


def test_a_secret_may_lie_in_a_file(read: Read, tmp_path: Path) -> None:
    secret = tmp_path / "stripe"
    secret.write_text("sk_live_from_a_file\n")
    given = {name: value for name, value in PRODUCTION.items() if name != "STRIPE_SECRET_KEY"}

    done = read(
        "production", given | {"STRIPE_SECRET_KEY_FILE": str(secret)}, "s.STRIPE_SECRET_KEY"
    )
    assert done.stdout == "sk_live_from_a_file\n"

    done = read("production", given | {"STRIPE_SECRET_KEY_FILE": str(tmp_path / "none")})
    assert why(done) == "STRIPE_SECRET_KEY_FILE must name a file that can be read."


def test_a_settings_file_counts_where_the_environment_says_nothing(
    read: Read, tmp_path: Path
) -> None:
    file = tmp_path / "billing.env"
    file.write_text("# Acme's\nISSUER_NAME='Acme Inc.'\nINVOICE_ISSUER=ACME\nUSAGE_MAX_AGE_DAYS=\n")

    done = read(
        "local",
        {"ENV_FILE": str(file), "INVOICE_ISSUER": "GLOBEX"},
        "s.ISSUER_NAME, s.INVOICE_ISSUER, s.USAGE_MAX_AGE_DAYS",
    )
    assert done.stdout == "('Acme Inc.', 'GLOBEX', 90)\n"

    file.write_text("COMPANY=Acme\n")
    done = read("local", {"ENV_FILE": str(file)})
    assert why(done) == f"COMPANY is no setting of this project (in {file})."


PROGRAMS = [
    ["manage.py", "migrate"],
    ["-m", "celery", "--app=config", "worker"],
    ["-m", "gunicorn", "config.asgi:application", "--config=python:config.serving.gunicorn"],
]


@pytest.mark.parametrize("program", PROGRAMS)
def test_the_settings_file_says_which_settings_are_meant(
    tmp_path: Path, program: list[str]
) -> None:
    """Else `manage.py migrate` would migrate a database of its own."""
    file = tmp_path / "billing.env"
    file.write_text("DJANGO_SETTINGS_MODULE=config.settings.production\nREDIS_URL=redis://r\n")

    done = run(program, {"ENV_FILE": str(file), "LOCAL_DIR": str(tmp_path / "local")})

    assert why(done).startswith("error: not set, but needed in production: DATABASE_URL, SECRET")
    assert not (tmp_path / "local").exists()


@pytest.mark.parametrize("program", PROGRAMS)
def test_a_settings_file_that_is_not_there_stops_every_program(
    tmp_path: Path, program: list[str]
) -> None:
    file = tmp_path / "billing.env"

    done = run(program, {"ENV_FILE": str(file), "LOCAL_DIR": str(tmp_path / "local")})

    assert why(done) == f"error: ENV_FILE names {file}, which cannot be read."
    assert not (tmp_path / "local").exists()


@pytest.mark.parametrize(
    ("part", "name", "value", "message"),
    [
        (
            "billing",
            "USAGE_MAX_AGE_DAYS",
            "soon",
            "must be a whole number between 1 and 36500, not 'soon'.",
        ),
        (
            "billing",
            "BILLING_GRACE_HOURS",
            "-1",
            "must be a whole number between 0 and 672, not '-1'.",
        ),
        ("billing", "EMAIL_PORT", "2.5", "must be a whole number between 1 and 65535, not '2.5'."),
        (
            "billing",
            "INVOICE_ISSUER",
            "INV%",
            "must be 1 to 12 capital letters, digits or hyphens, not 'INV%'.",
        ),
        (
            "billing",
            "INVOICE_ISSUER",
            "INVOICES-OF-ACME",
            "must be 1 to 12 capital letters, digits or hyphens, not 'INVOICES-OF-ACME'.",
        ),
        ("base", "HTTPS", "ture", "must be true or false, not 'ture'."),
        (
            "billing",
            "COLLECTION_REMINDER_DAYS",
            "-3, one",
            "must be whole numbers separated by commas, not '-3, one'.",
        ),
        (
            "billing",
            "RESOURCE_UNITS",
            "call_minutes=min,storage",
            "must be key=value pairs separated by commas, not 'call_minutes=min,storage'.",
        ),
        (
            "billing",
            "RESOURCE_UNITS",
            "a=",
            "must be key=value pairs separated by commas, not 'a='.",
        ),
        (
            "base",
            "LOG_LEVEL",
            "LOUD",
            "must be DEBUG, INFO, WARNING, ERROR or CRITICAL, not 'LOUD'.",
        ),
        (
            "billing",
            "SITE_URL",
            "billing.acme.test",
            "must be an address that begins with http:// or https://, not 'billing.acme.test'.",
        ),
        # What may hold a password is not repeated.
        (
            "base",
            "DATABASE_URL",
            "mysql://a:b@c/d",
            "must be an address that begins with postgresql://.",
        ),
        (
            "billing",
            "STRIPE_SECRET_KEY",
            "pk_live_1",
            "must be a secret key, which begins with sk_ or rk_.",
        ),
        (
            "base",
            "REDIS_URL",
            "localhost:6379",
            "must be an address that begins with redis://, rediss://, redis+socket:// or unix://.",
        ),
    ],
)
def test_a_setting_that_cannot_be_read_is_named_in_one_line(
    monkeypatch: pytest.MonkeyPatch, part: str, name: str, value: str, message: str
) -> None:
    monkeypatch.setenv(name, value)
    with pytest.raises(ImproperlyConfigured) as refusal:
        runpy.run_path(str(ROOT / "config" / "settings" / f"{part}.py"))
    assert str(refusal.value) == f"{name} {message}"


@pytest.mark.parametrize(
    ("name", "meant"),
    [
        ("STRIPE_TIMEOUT_SECOND", "STRIPE_TIMEOUT_SECONDS"),
        ("DATABASE_URI", "DATABASE_URL"),
        ("METRIC_TOKEN", "METRICS_TOKEN"),
        ("SECRET_KEYFILE", "SECRET_KEY_FILE"),
    ],
)
def test_a_misspelled_setting_is_refused(
    monkeypatch: pytest.MonkeyPatch, name: str, meant: str
) -> None:
    monkeypatch.setenv(name, "1")
    with pytest.raises(ImproperlyConfigured) as refusal:
        env.refuse_unknown()
    assert str(refusal.value) == f"{name} is no setting; did you mean {meant}?"


def test_variables_of_other_programs_are_left_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("STRIPE_CLI_PATH", "EMAIL", "DATABASE_HOST", "WEB_PORT"):
        monkeypatch.setenv(name, "1")
    env.refuse_unknown()


@pytest.mark.parametrize(
    "program",
    [
        ["manage.py", "check"],
        ["-m", "celery", "--app=config", "worker"],
        ["-m", "celery", "--app=config", "beat"],
        ["-m", "gunicorn", "config.asgi:application", "--config=python:config.serving.gunicorn"],
    ],
)
def test_each_program_says_it_in_one_line(program: list[str]) -> None:
    done = run(
        program,
        PRODUCTION | {"DJANGO_SETTINGS_MODULE": "config.settings.production", "HTTPS": "maybe"},
    )
    assert done.returncode == 1
    assert done.stderr == "error: HTTPS must be true or false, not 'maybe'.\n"


@pytest.mark.parametrize(
    ("redis_url", "cache_url"),
    [
        ("redis://cache.acme.test:6379/0", "redis://cache.acme.test:6379/1"),
        ("redis://cache.acme.test:6379", "redis://cache.acme.test:6379/1"),
        ("rediss://:s3cret@cache.acme.test/4?ssl=1", "rediss://:s3cret@cache.acme.test/5?ssl=1"),
    ],
)
def test_the_cache_has_the_database_after_the_brokers(redis_url: str, cache_url: str) -> None:
    assert next_database(redis_url) == cache_url


def test_a_redis_without_numbered_databases_needs_a_cache_url() -> None:
    with pytest.raises(ImproperlyConfigured, match="set CACHE_URL too"):
        next_database("redis+socket:///run/redis.sock")
