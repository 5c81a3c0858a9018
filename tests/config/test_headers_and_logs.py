"""Headers of every answer, and what a line of the log says and hides."""

import gzip
import io
import json
import logging
import logging.config
from typing import Any

import pytest
from django.test import Client

from billing.models import AuditEntry
from config.logs import to_console
from invoices.models import Invoice
from tests.kit.api import ApiClient
from tests.kit.personas import make_workspace, member_client
from tests.kit.staff import make_row_of_each_model, superuser_client

pytestmark = pytest.mark.django_db


def test_what_a_workspace_spends_is_kept_in_no_cache() -> None:
    acme = make_row_of_each_model()
    invoice = Invoice.objects.get()
    api, owner, root = ApiClient(), member_client(acme), superuser_client()
    answers = [
        api.get("invoices/"),
        api.get(f"invoices/{invoice.pk}/pdf/"),
        api.get("nothing/"),
        api.get(f"workspaces/{acme.pk}/admission/"),
        Client().get("/api/v1/invoices/"),
        owner.get(f"/w/{acme.pk}/invoices/{invoice.pk}/pdf/"),
        root.get(f"/admin/invoices/invoice/{invoice.pk}/pdf/"),
    ]
    for answer in answers:
        assert "no-store" in answer["Cache-Control"], answer.wsgi_request.path


def test_pages_are_packed_and_nothing_that_may_hold_a_secret_is() -> None:
    acme = make_row_of_each_model()
    owner, root, api = member_client(acme), superuser_client(), ApiClient()
    packing = {"Accept-Encoding": "gzip, br"}

    page = owner.get(f"/w/{acme.pk}/", headers=packing)
    assert page["Content-Encoding"] == "gzip"
    assert "Accept-Encoding" in page["Vary"]
    assert len(page.content) < len(gzip.decompress(page.content)) / 3
    assert root.get("/admin/", headers=packing)["Content-Encoding"] == "gzip"
    assert "Content-Encoding" not in owner.get(f"/w/{acme.pk}/")

    new_key = {"name": "CI", "scopes": ["usage:read"], "lasts": "90"}
    for answer in (
        owner.post(f"/w/{acme.pk}/keys/", new_key, headers=packing),
        owner.get(f"/w/{acme.pk}/usage.csv", headers=packing),
        owner.get("/account/second-factor/", headers=packing),
        Client().get("/login/", headers=packing),
        api.client.get("/api/v1/invoices/", headers=packing),
    ):
        assert answer.status_code == 200, answer.wsgi_request.path
        assert "Content-Encoding" not in answer, answer.wsgi_request.path


def test_the_admin_has_a_policy_as_strict_as_unfold_allows() -> None:
    policy = superuser_client().get("/admin/")["Content-Security-Policy"]
    parts = dict(part.strip().split(" ", 1) for part in policy.split(";"))
    assert parts["default-src"] == "'none'"
    assert parts["script-src"] == "'self' 'unsafe-eval'"
    assert parts["style-src"] == "'self' 'unsafe-inline'"
    assert parts["form-action"] == "'self'"
    assert parts["frame-ancestors"] == "'none'"
    assert "unsafe" not in Client().get("/login/")["Content-Security-Policy"]


def test_an_answer_has_the_id_of_its_request_and_the_log_of_changes_too() -> None:
    acme = make_workspace("Acme")
    given = ApiClient().client.patch(
        f"/api/v1/workspaces/{acme.pk}/",
        {"name": "Acme Ltd"},
        content_type="application/json",
        headers={"X-Request-Id": "abc-123"},
    )
    assert given["X-Request-Id"] == "abc-123"
    assert AuditEntry.objects.filter(table="billing_workspace").latest("at").request_id == "abc-123"
    for wrong in ("", "a b", "x" * 65, 'a"}'):
        made = Client().get("/login/", headers={"X-Request-Id": wrong})["X-Request-Id"]
        assert len(made) == 32


@pytest.fixture
def lines(monkeypatch: pytest.MonkeyPatch) -> Any:
    """What is logged from here on, as a system in production would write it."""
    stream = io.StringIO()
    handler = logging.StreamHandler(stream)
    configured = to_console("INFO")["formatters"]["json"]
    formatter = logging.config.DictConfigurator({"version": 1}).configure_custom(dict(configured))
    handler.setFormatter(formatter)
    root = logging.getLogger()
    root.addHandler(handler)
    yield lambda: [json.loads(line) for line in stream.getvalue().splitlines()]
    root.removeHandler(handler)


def test_no_secret_is_logged(lines: Any) -> None:
    log = logging.getLogger("acme")
    secrets = {
        "vb_0123456789ab_SECRETPART-x_y": "vb_0123456789ab_(hidden)",
        "sk_live_SECRETPART": "sk_live_(hidden)",
        "whsec_SECRETPART": "whsec_(hidden)",
        "Bearer SECRETPART.x": "Bearer (hidden)",
        "postgresql://billing:SECRETPART@db/x": "postgresql://billing:(hidden)@db/x",
        "rediss://:SECRETPART@redis": "rediss://:(hidden)@redis",
        "/password/MQ/SECRETPART-x/": "/password/MQ/(hidden)/",
    }
    for secret in secrets:
        log.warning("something about %s failed", secret)
    try:
        int("sk_test_SECRETPART")
    except ValueError:
        log.exception("broken")
    told = lines()
    assert "SECRETPART" not in json.dumps(told)
    assert [line["event"] for line in told[:-1]] == [
        f"something about {hidden} failed" for hidden in secrets.values()
    ]


def test_a_line_carries_the_request_and_the_workspace(lines: Any, monkeypatch: Any) -> None:
    acme = make_workspace("Acme")

    def broken(*args: object, **kwargs: object) -> None:
        logging.getLogger("acme").warning("inside of the request")
        raise PermissionError

    monkeypatch.setattr("analytics.pages.render_page", broken)
    client = member_client(acme)
    client.raise_request_exception = False
    client.get(f"/w/{acme.pk}/", headers={"X-Request-Id": "abc-123"})
    [line] = [line for line in lines() if line["event"] == "inside of the request"]
    assert (line["request_id"], line["workspace_id"]) == ("abc-123", str(acme.pk))


def test_metrics_behind_a_proxy_need_a_token(settings: Any) -> None:
    assert Client().get("/metrics").status_code == 200
    settings.BEHIND_PROXY = True
    assert Client().get("/metrics").status_code == 403
    settings.METRICS_TOKEN = "a token"
    assert Client().get("/metrics", headers={"Authorization": "Bearer a token"}).status_code == 200
