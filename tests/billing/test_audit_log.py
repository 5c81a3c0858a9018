"""The audit log: every change, by whichever door, with who, from what and to what."""

from decimal import Decimal

import pytest
from django.db import DatabaseError, connection, transaction
from django.urls import reverse

from billing import audit
from billing.models import (
    AuditEntry,
    PlatformSetting,
    ServiceKey,
    TierPrice,
    User,
    Workspace,
    WorkspaceBillingSettings,
)
from tests.kit.api import ApiClient
from tests.kit.personas import make_workspace, member_client
from tests.kit.staff import superuser_client

pytestmark = pytest.mark.django_db


def last(table: str, **facts: str) -> AuditEntry:
    return AuditEntry.objects.filter(table=table, **facts).latest("at")


def test_a_service_leaves_its_key_and_what_it_changed():
    acme, caller = make_workspace(), ApiClient()

    caller.put(f"workspaces/{acme.pk}/billing-settings/", {"usage_limit_monthly": "500.00"})

    entry = last("billing_workspacebillingsettings", operation="update")
    key = ServiceKey.objects.get()
    assert (entry.door, entry.actor) == ("api", f"Test ({key.prefix}…)")
    assert (entry.workspace_id, entry.subject) == (acme.pk, "Acme")
    assert entry.changes == {"usage_limit_monthly": [None, "500.0000"]}


def test_an_owner_leaves_the_address_and_sees_the_change():
    acme = make_workspace("Acme")
    client = member_client(acme)
    client.post(
        reverse("billing:settings", args=[acme.pk]),
        {"form": "limits", "usage_limit_monthly": "750", "alert_threshold_percentage": "80"},
    )
    entry = last("billing_workspacebillingsettings", operation="update")
    assert (entry.door, entry.actor) == ("page", "owner@acme.test")
    assert entry.changes["usage_limit_monthly"] == [None, "750.0000"]

    WorkspaceBillingSettings.objects.update(markup_percentage=Decimal("33.3"))
    page = client.get(reverse("billing:changes", args=[acme.pk])).content.decode()
    for text in ("owner@acme.test", "Monthly usage limit", "none", "750"):
        assert text in page
    assert "33.3" not in page
    globex = make_workspace("Globex")
    assert client.get(reverse("billing:changes", args=[globex.pk])).status_code == 404


def test_finance_leaves_the_address_in_the_admin_too():
    make_workspace()
    client = superuser_client()
    page = reverse("admin:billing_platformsetting_change", args=[PlatformSetting.MARKUP])

    assert client.post(page, {"name": PlatformSetting.MARKUP, "value": "25"}).status_code == 302

    entry = last("billing_platformsetting", operation="update")
    assert (entry.door, entry.actor) == ("admin", "root@finance.test")
    assert entry.changes == {"value": ["20.0000", "25.0000"]}
    listed = client.get(reverse("admin:billing_auditentry_changelist"), {"q": "root@"})
    assert "20.0000 → 25.0000" in listed.content.decode()
    chosen = {"action": "export", "_selected_action": [str(entry.pk)]}
    exported = client.post(reverse("admin:billing_auditentry_changelist"), chosen)
    assert b"root@finance.test" in b"".join(exported.streaming_content)


def test_bulk_updates_and_raw_sql_are_in_the_log():
    make_workspace()
    TierPrice.objects.filter(tier__name="pro", currency="USD").update(fee=Decimal("1"))
    entry = last("billing_tierprice", operation="update")
    assert (entry.door, entry.subject) == ("command", "pro USD")
    assert entry.changes == {"fee": ["199.000", "1.000"]}

    raw = connection.connection
    raw.execute("UPDATE billing_tierprice SET fee = 2 WHERE fee = 1")
    entry = last("billing_tierprice", operation="update")
    assert entry.door == "sql"
    assert entry.actor.endswith("(database)")
    assert entry.changes == {"fee": ["1.000", "2.000"]}


def test_who_acts_cannot_be_forged_in_a_text():
    acme = make_workspace()
    forged = "/*audit:eyJkb29yIjogImFkbWluIiwgImFjdG9yIjogImZheSJ9*/"
    raw = connection.connection
    raw.execute(f"UPDATE billing_workspace SET name = '{forged}' WHERE id = '{acme.pk}'")
    assert last("billing_workspace", operation="update").door == "sql"
    Workspace.objects.filter(pk=acme.pk).update(name=f"x {forged}")
    assert last("billing_workspace", operation="update").door == "command"


def test_a_reason_and_an_odd_name_are_kept():
    acme = make_workspace()
    act = audit.Act("admin", lambda: "fay%s */ 'x'\u202e", lambda: "asked by phone; 100 %")
    with audit.acting(act):
        Workspace.objects.filter(pk=acme.pk).update(status="closed")

    entry = last("billing_workspace", operation="update")
    assert (entry.actor, entry.reason) == ("fay%s */ 'x'\u202e", "asked by phone; 100 %")


def test_no_secret_and_no_noise_is_in_the_log():
    caller = ApiClient()
    user = User.objects.create_user("ann@acme.test", "a long password")
    before = AuditEntry.objects.count()
    assert caller.get("workspaces/").status_code == 200  # notes the key's last use
    user.set_password("another password")
    user.save()

    assert AuditEntry.objects.count() == before + 1
    entry = last("billing_user", operation="update")
    assert entry.changes == {"password": ["(hidden)", "(hidden)"]}
    made = last("billing_servicekey", operation="insert")
    assert made.changes["digest"] == ["(hidden)", "(hidden)"]


@pytest.mark.parametrize(
    "statement", ["UPDATE billing_auditentry SET actor = 'me'", "DELETE FROM billing_auditentry"]
)
def test_the_log_is_append_only(statement: str):
    make_workspace()
    with pytest.raises(DatabaseError, match="append-only"), transaction.atomic():
        connection.cursor().execute(statement)


def test_what_is_rolled_back_leaves_nothing():
    acme = make_workspace()
    before = AuditEntry.objects.count()
    with transaction.atomic():
        Workspace.objects.filter(pk=acme.pk).update(name="Other")
        transaction.set_rollback(True)
    assert AuditEntry.objects.count() == before
