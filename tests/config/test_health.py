import threading

import pytest
from django.db.migrations.recorder import MigrationRecorder
from django.test import Client

from config import health
from config.celery import app

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("patient_probes")]
LIMIT_SECONDS = health._LIMIT_SECONDS


@pytest.fixture
def client() -> Client:
    return Client()


def test_the_process_is_alive(client):
    response = client.get("/healthz")

    assert (response.status_code, response.json()) == (200, {"status": "ok"})
    assert client.post("/healthz").status_code == 405


def test_it_is_ready_with_database_broker_and_migrations(client):
    response = client.get("/readyz")

    assert response.status_code == 200
    assert response.json() == {
        "status": "ok",
        "database": "ok",
        "broker": "ok",
        "migrations": "ok",
    }


def test_a_broker_that_is_down_is_named(client, monkeypatch):
    monkeypatch.setattr(app.conf, "broker_write_url", "redis://127.0.0.1:9/0")
    monkeypatch.setattr(app.conf, "broker_url", "redis://127.0.0.1:9/0")

    response = client.get("/readyz")

    assert response.status_code == 503
    assert response.json()["broker"] == "failing"
    assert response.json()["database"] == "ok"


@pytest.mark.django_db(transaction=True)
def test_a_migration_that_is_not_applied_is_named(client):
    health._seen_migrated.clear()
    last = MigrationRecorder.Migration.objects.filter(app="usage").order_by("-id")[:1].get()
    last.delete()
    try:
        response = client.get("/readyz")
    finally:
        last.save(force_insert=True)

    assert response.status_code == 503
    assert response.json()["migrations"] == "failing"


def test_a_database_that_hangs_is_named_within_two_seconds_and_asked_by_one_thread(
    client, monkeypatch
):
    answers = threading.Event()
    asked, answered = [], []

    def hang() -> None:
        asked.append(1)
        answers.wait(60)
        answered.append(1)

    assert client.get("/readyz").json()["status"] == "ok"  # migrations have been read by then
    monkeypatch.setitem(health._CHECKS, "database", hang)
    monkeypatch.setattr(health, "_LIMIT_SECONDS", LIMIT_SECONDS)
    try:
        first, second = client.get("/readyz"), client.get("/readyz")
        assert answered == []
    finally:
        answers.set()
    assert LIMIT_SECONDS < 2
    assert (first.status_code, second.status_code) == (503, 503)
    assert (first.json()["database"], first.json()["broker"]) == ("failing", "ok")
    assert asked == [1]


def test_metrics_count_requests_by_route_and_what_waits(client):
    client.get("/healthz")

    text = client.get("/metrics").content.decode()

    assert 'http_request_seconds_count{method="GET",route="healthz",status="200"}' in text
    assert "billing_periods_due 0.0" in text
    assert 'billing_invoices{status="overdue"} 0.0' in text
    assert 'billing_work{kind="email",status="blocked"} 0.0' in text


@pytest.mark.parametrize(
    "request_",
    [
        {"REMOTE_ADDR": "203.0.113.7"},
        {"REMOTE_ADDR": "127.0.0.1", "HTTP_X_FORWARDED_FOR": "203.0.113.7"},
        {"REMOTE_ADDR": ""},
        {"REMOTE_ADDR": "203.0.113.7", "HTTP_AUTHORIZATION": "Bearer "},
        {"REMOTE_ADDR": "203.0.113.7", "HTTP_AUTHORIZATION": "Bearer wrong"},
    ],
)
def test_metrics_are_not_public(client, settings, request_):
    assert client.get("/metrics", **request_).status_code == 403
    settings.METRICS_TOKEN = "s3cret"
    assert client.get("/metrics", **request_).status_code == 403


def test_metrics_are_told_to_whoever_has_the_token(client, settings):
    settings.METRICS_TOKEN = "s3cret"

    response = client.get("/metrics", REMOTE_ADDR="203.0.113.7", HTTP_AUTHORIZATION="Bearer s3cret")

    assert response.status_code == 200
    assert client.get("/metrics", REMOTE_ADDR="::1").status_code == 200
