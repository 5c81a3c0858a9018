"""Keys that owners make for their programs: they read one workspace, without its costs."""

import re

import pytest
from django.db import IntegrityError, transaction
from django.test import Client
from django.utils import timezone as clock

from billing.models import AuditEntry, ServiceKey, Workspace
from billing.services.keys import create_key
from tests.kit.api import bearer
from tests.kit.personas import make_workspace, member_client
from tests.kit.usage import make_usage

pytestmark = pytest.mark.django_db
READS = {"name": "Nightly report", "scopes": ["usage:read", "billing:read"], "lasts": "90"}


def secret_of(acme: Workspace, **changed: object) -> str:
    page = member_client(acme).post(f"/w/{acme.pk}/keys/", READS | changed)
    found = re.search(r"vb_[0-9a-f]{12}_[\w-]{40,}", page.content.decode())
    assert found is not None, page.content.decode()
    assert page["Cache-Control"] == "max-age=0, no-cache, no-store, must-revalidate, private"
    return found[0]


def test_an_owner_makes_a_key_and_sees_it_once() -> None:
    acme = make_workspace("Acme")
    secret = secret_of(acme)
    asked = Client().get(f"/api/v1/workspaces/{acme.pk}/", headers=bearer(secret))
    assert asked.json()["name"] == "Acme"
    again = member_client(acme).get(f"/w/{acme.pk}/keys/").content.decode()
    assert secret not in again
    assert "Nightly report" in again
    key = ServiceKey.objects.get()
    assert (key.by_owner, key.workspace_id) == (True, acme.pk)
    assert key.expires_at is not None
    assert (key.expires_at - clock.now()).days in (89, 90)


def test_it_reads_its_own_workspace_and_writes_nothing() -> None:
    acme, globex = make_workspace("Acme"), make_workspace("Globex")
    client = Client(headers=bearer(secret_of(acme)))
    assert client.get(f"/api/v1/workspaces/{globex.pk}/").status_code == 404
    for path in ("usage/", "usage/batch/", "calls/", "workspaces/", "agents/"):
        sent = client.post(f"/api/v1/{path}", {}, content_type="application/json")
        assert sent.status_code == 403, path


def test_it_sees_no_cost_where_owners_see_none() -> None:
    acme = make_workspace("Acme")
    make_usage(acme, clock.now(), "10", "0.01")
    address = f"/api/v1/usage/?workspace_id={acme.pk}"
    _, of_platform = create_key(
        name="P", scopes=["usage:read", "billing:read"], now=clock.now(), workspace_id=acme.pk
    )
    seen = Client().get(address, headers=bearer(of_platform)).json()["results"][0]
    assert {"unit_cost", "total_cost", "markup_percentage"} <= set(seen)
    seen = Client().get(address, headers=bearer(secret_of(acme))).json()["results"][0]
    assert not {"unit_cost", "total_cost", "markup_percentage"} & set(seen)
    assert seen["final_cost"] == "0.1200000000"


@pytest.mark.parametrize(
    "wrong", [{"scopes": ["usage:write"]}, {"scopes": []}, {"name": ""}, {"lasts": "5000"}]
)
def test_what_an_owner_may_not_give_is_refused_and_nothing_is_made(wrong: dict) -> None:
    acme = make_workspace("Acme")
    page = member_client(acme).post(f"/w/{acme.pk}/keys/", READS | wrong)
    assert page.status_code == 422
    assert not ServiceKey.objects.exists()


def test_the_database_keeps_owners_keys_to_reading_one_workspace() -> None:
    acme = make_workspace("Acme")
    for facts in ({"scopes": ["usage:write"], "workspace_id": acme.pk}, {"scopes": ["usage:read"]}):
        with pytest.raises(IntegrityError), transaction.atomic():
            create_key(name="X", now=clock.now(), by_owner=True, **facts)


def test_an_owner_revokes_a_key_but_not_the_platforms() -> None:
    acme = make_workspace("Acme")
    secret = secret_of(acme)
    mine = ServiceKey.objects.get()
    theirs, _ = create_key(
        name="Ingest", scopes=["usage:write"], now=clock.now(), workspace_id=acme.pk
    )
    owner = member_client(acme)
    assert owner.post(f"/w/{acme.pk}/keys/{mine.pk}/revoke/").status_code == 302
    assert owner.post(f"/w/{acme.pk}/keys/{theirs.pk}/revoke/").status_code == 404
    asked = Client().get(f"/api/v1/workspaces/{acme.pk}/", headers=bearer(secret))
    assert asked.status_code == 401
    assert "Ingest" not in owner.get(f"/w/{acme.pk}/keys/").content.decode()
    log = owner.get(f"/w/{acme.pk}/changes/").content.decode()
    assert "API key Nightly report" in log
    assert "Ingest" not in log
    assert AuditEntry.objects.filter(table="billing_servicekey", channel="page").count() == 2
