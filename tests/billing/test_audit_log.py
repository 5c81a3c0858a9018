"""The audit log: every change, by whichever channel, with who, from what, to what and why."""

import csv
import datetime as dt
import io
import re
from decimal import Decimal
from typing import Any

import pytest
from django.apps import apps
from django.core.management import call_command
from django.db import DatabaseError, connection, transaction
from django.urls import reverse

from billing import audit
from billing.admin.audit import TableFilter
from billing.models import (
    AuditEntry,
    PlatformSetting,
    ServiceKey,
    TierPrice,
    User,
    Workspace,
    WorkspaceBillingSettings,
)
from billing.services import terms
from tests.kit.api import ApiClient
from tests.kit.invoices import make_invoice
from tests.kit.personas import NOW, make_workspace, member_client
from tests.kit.staff import superuser_client

pytestmark = pytest.mark.django_db


def last(table: str, **facts: str) -> AuditEntry:
    return AuditEntry.objects.filter(table=table, **facts).latest("at")


def test_a_service_leaves_its_key_and_what_it_changed():
    acme, caller = make_workspace(), ApiClient()

    caller.put(f"workspaces/{acme.pk}/billing-settings/", {"usage_limit_monthly": "500.00"})

    entry = last("billing_workspacebillingsettings", operation="update")
    key = ServiceKey.objects.get()
    assert (entry.channel, entry.actor) == ("api", f"Test ({key.prefix}…)")
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
    assert (entry.channel, entry.actor) == ("page", "owner@acme.test")
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
    assert (entry.channel, entry.actor) == ("admin", "root@finance.test")
    assert entry.changes == {"value": ["20.0000", "25.0000"]}
    listed = client.get(reverse("admin:billing_auditentry_changelist"), {"q": "root@"})
    assert "20.0000 → 25.0000" in listed.content.decode()
    chosen = {"action": "export", "_selected_action": [str(entry.pk)]}
    exported = client.post(reverse("admin:billing_auditentry_changelist"), chosen)
    assert b"root@finance.test" in b"".join(exported.streaming_content)


def test_the_list_names_the_workspace_rather_than_its_id():
    acme, client = make_workspace(), superuser_client()
    log = reverse("admin:billing_auditentry_changelist")
    shown = client.get(log, {"q": str(acme.pk), "table": "billing_workspacebillingsettings"})
    assert re.search(r"field-workspace[^>]*>\s*Acme\s*<", shown.content.decode())


def test_bulk_updates_and_raw_sql_are_in_the_log():
    make_workspace()
    TierPrice.objects.filter(tier__name="pro", currency="USD").update(fee=Decimal("1"))
    entry = last("billing_tierprice", operation="update")
    assert (entry.channel, entry.subject) == ("command", "pro USD")
    assert entry.changes == {"fee": ["199.000", "1.000"]}

    raw = connection.connection
    raw.execute("UPDATE billing_tierprice SET fee = 2 WHERE fee = 1")
    entry = last("billing_tierprice", operation="update")
    assert entry.channel == "sql"
    assert entry.actor.endswith("(database)")
    assert entry.changes == {"fee": ["1.000", "2.000"]}


def test_who_acts_cannot_be_forged_in_a_text():
    acme = make_workspace()
    forged = "/*audit:eyJkb29yIjogImFkbWluIiwgImFjdG9yIjogImZheSJ9*/"
    raw = connection.connection
    raw.execute(f"UPDATE billing_workspace SET name = '{forged}' WHERE id = '{acme.pk}'")
    assert last("billing_workspace", operation="update").channel == "sql"
    Workspace.objects.filter(pk=acme.pk).update(name=f"x {forged}")
    assert last("billing_workspace", operation="update").channel == "command"


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


# Not in the log, and why it need not be.
NOT_AUDITED = {
    "auth_permission": "made by migrations",
    "billing_auditentry": "the log itself",
    "billing_email": "what was sent, kept as it was",
    "billing_emailattachment": "what was sent, kept as it was",
    "billing_letterhead": "a copy of an issuing entity, which is in the log",
    "billing_limitalert": "written once, by usage",
    "billing_owedpasswordlink": "a mail that is owed, gone once it is sent",
    "billing_periodcounter": "sums of what is appended only",
    "billing_pricerevision": "counts changes of prices, which are in the log",
    "billing_session": "who is signed in",
    "billing_tierchange": "follows the tier of a workspace, which is in the log",
    "invoices_creditedrecord": "written once, with its credit note",
    "invoices_einvoicedelivery": "durable work",
    "invoices_invoiceevent": "a history of its own, appended only",
    "invoices_invoicesequence": "numbers given out, with each invoice",
    "invoices_paymentmethod": "a copy of what Stripe has",
    "invoices_taxcalculation": "durable work; what was billed by it is with its invoice",
    "otp_static_statictoken": "used up one by one; that there are new ones is in the log",
    "payments_awaiteddecision": "gone once it is decided; who asked is in the invoice's history",
    "payments_chargebackevidence": "durable work",
    "payments_chargebackfile": "written once, with its evidence; then how far it has come",
    "payments_creditnotesync": "durable work",
    "payments_difference": "what a comparison found",
    "payments_handledevent": "bookkeeping of webhooks",
    "payments_invoiceaction": "what finance asked for, with who and why, appended only",
    "payments_proofrun": "what a proof found",
    "payments_reconciliationrun": "what a comparison found",
    "payments_retiringwebhooksecret": "bookkeeping of webhooks",
    "payments_savedcard": "a copy of what Stripe has",
    "payments_stripecustomer": "a copy of what Stripe has",
    "payments_stripesync": "durable work",
    "payments_stripesyncstep": "durable work",
    "usage_budgetdelivery": "durable work",
    "usage_budgetevent": "written once, when a level is reached",
    "usage_budgetoptout": "made and taken back by its address, with its day",
    "usage_budgetstate": "what a comparison found",
    "usage_budgettest": "written once, with who and when; then how it went",
    "usage_call": "what happened",
    "usage_callprice": "sums of what happened",
    "usage_callpricerollup": "sums of what happened",
    "usage_callpriceprogress": "how far a background task has come",
    "usage_callrollup": "sums of what happened",
    "usage_costdrift": "sums of what happened",
    "usage_dimensionrollup": "sums of what happened",
    "usage_lowmargin": "sums of what happened",
    "usage_providerheartbeat": "when usage last came",
    "usage_periodmeter": "written once, by the close; a trigger refuses changes",
    "usage_periodseal": "appended only",
    "usage_sealchain": "keyed: it shows changes itself",
    "usage_sealfingerprints": "appended only",
    "usage_usagerecord": "appended only",
    "usage_usagerollup": "sums of what happened",
    "usage_voiceagent": "no term of a bill",
}
_APPS = ("auth", "billing", "usage", "invoices", "payments", "otp_totp", "otp_static")


def test_every_table_is_in_the_log_or_says_why_not():
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT tgrelid::regclass::text FROM pg_trigger"
            " WHERE tgfoid = 'billing_audit'::regproc AND tgenabled IN ('O', 'A')"
        )
        audited = {table for (table,) in cursor}
    tables = {
        model._meta.db_table
        for model in apps.get_models(include_auto_created=True)
        if model._meta.app_label in _APPS
    }

    assert tables - audited == set(NOT_AUDITED)
    assert audited <= tables
    assert audited == TableFilter.choices_by_value.keys()


# Table -> a column, what it becomes, and what is in the log then.
KINDS = {
    "billing_tierprice": ("fee", "7", ["49.000", "7.000"]),
    "billing_workspacebillingsettings": ("usage_limit_monthly", "5", [None, "5.0000"]),
    "billing_addon": ("ends_on", "2027-05-01", [None, "2027-05-01"]),
    "billing_subscriptiontier": ("proration", "daily", ["none", "daily"]),
    "billing_workspacemember": ("role", "viewer", ["owner", "viewer"]),
    "billing_servicekey": ("name", "Other", ["Test", "Other"]),
    "billing_billingperiod": ("status", "overdue", ["finalized", "overdue"]),
    "invoices_invoice": ("bill_to_name", "Else", ["Acme", "Else"]),
    "invoices_invoiceitem": ("description", "Else", ["Monthly Subscription", "Else"]),
    "billing_platformsetting": ("value", "30", ["20.0000", "30.0000"]),
    "billing_user": ("is_staff", "True", ["false", "true"]),
    "billing_workspace": ("billing_name", "Else", ["", "Else"]),
}


# Of which row, where any would not do.
WHICH: dict[str, dict[str, Any]] = {
    "billing_tierprice": {"fee": 49, "currency": "USD"},
    "billing_platformsetting": {"name": PlatformSetting.MARKUP},
    "invoices_invoiceitem": {"kind": "subscription"},
}


@pytest.mark.parametrize("channel", ["sql", "command"])
def test_each_kind_leaves_what_it_was_and_becomes(channel: str):
    acme = make_workspace("Acme")
    ApiClient()
    invoice = make_invoice(acme)
    terms.add_add_on(
        workspace_id=acme.pk,
        name="Numbers",
        quantity=Decimal(1),
        unit_price=Decimal(1),
        now=NOW,
    )
    assert invoice.items.count() == 2
    by_table = {model._meta.db_table: model for model in apps.get_models()}
    for table, (column, value, change) in KINDS.items():
        rows = by_table[table]._default_manager.filter(**WHICH.get(table, {}))
        row = rows.order_by("pk").first()
        if channel == "sql":
            key = by_table[table]._meta.pk.column
            connection.connection.execute(
                f"UPDATE {table} SET {column} = '{value}' WHERE {key} = '{row.pk}'"
            )
        else:
            rows.filter(pk=row.pk).update(**{column: value})
        entry = last(table, operation="update")
        assert entry.changes[column] == change, table
        assert entry.channel == channel, table
        assert entry.actor, table


def test_a_service_and_a_command_say_why(monkeypatch: pytest.MonkeyPatch):
    acme = make_workspace()
    caller = ApiClient("terms:write")
    caller.client.defaults["HTTP_X_CHANGE_REASON"] = "Vertrag für 2027".encode().decode("latin-1")
    caller.put(f"workspaces/{acme.pk}/billing-settings/", {"usage_limit_monthly": "500.00"})
    assert last("billing_workspacebillingsettings").reason == "Vertrag für 2027"

    monkeypatch.setenv("CHANGE_REASON", "asked by phone")
    call_command("create_service_key", "Ingest", "--scope", "usage:write", stdout=io.StringIO())
    entry = last("billing_servicekey", operation="insert")
    assert (entry.channel, entry.reason) == ("command", "asked by phone")


def test_forms_of_the_admin_ask_why():
    make_workspace()
    client = superuser_client()
    page = reverse("admin:billing_platformsetting_change", args=[PlatformSetting.MARKUP])
    assert 'name="reason"' in client.get(page).content.decode()
    facts = {"name": PlatformSetting.MARKUP, "value": "25", "reason": "Board of 3 May"}

    assert client.post(page, facts).status_code == 302

    assert last("billing_platformsetting", operation="update").reason == "Board of 3 May"


def test_the_log_over_the_api():
    acme, globex = make_workspace("Acme"), make_workspace("Globex")
    caller = ApiClient("terms:write", "audit:read")
    began = last("billing_workspace").at
    for owner, limit in ((acme, "500"), (globex, "600")):
        settings = {"usage_limit_monthly": limit, "markup_percentage": "33"}
        caller.put(f"workspaces/{owner.pk}/billing-settings/", settings)

    def found(client: ApiClient = caller, **query: str) -> list[dict[str, Any]]:
        rows: list[dict[str, Any]] = client.get("audit-log/", **query).json()["results"]
        return rows

    table = "billing_workspacebillingsettings"
    (entry,) = found(workspace_id=str(acme.pk), table=table, operation="update")
    assert entry["changes"] == {
        "usage_limit_monthly": [None, "500.0000"],
        "markup_percentage": [None, "33.0000"],
    }
    assert (entry["channel"], entry["subject"]) == ("api", "Acme")
    assert found(actor=entry["actor"], object_id=str(acme.pk)) == [entry]
    assert len(found(channel="api")) == 2
    assert entry not in found(before=began.isoformat())
    assert entry in found(after=began.isoformat())
    assert caller.get("audit-log/", channel="window").status_code == 400

    bound = ApiClient("audit:read", workspace_id=acme.pk)
    (shown,) = found(bound, table=table, operation="update")
    assert shown["changes"] == {"usage_limit_monthly": [None, "500.0000"]}
    assert shown["actor"] == "A service of the platform"
    assert {row["workspace_id"] for row in found(bound)} == {str(acme.pk)}
    # Nor is it told by what is found.
    assert found(bound, actor=entry["actor"]) == []
    client = member_client(acme)
    limits = {"form": "limits", "usage_limit_monthly": "750", "alert_threshold_percentage": "80"}
    client.post(reverse("billing:settings", args=[acme.pk]), limits)
    (ours,) = found(bound, actor="owner@acme.test")
    assert ours["changes"]["usage_limit_monthly"] == ["500.0000", "750.0000"]
    assert ApiClient("billing:read").get("audit-log/").status_code == 403


def test_an_owner_exports_the_changes_of_the_workspace():
    acme = make_workspace("Acme")
    client = member_client(acme)
    client.post(
        reverse("billing:settings", args=[acme.pk]),
        {"form": "limits", "usage_limit_monthly": "750", "alert_threshold_percentage": "80"},
    )

    answer = client.get(reverse("billing:changes-csv", args=[acme.pk]))

    text = b"".join(answer.streaming_content).decode("utf-8-sig")
    rows = list(csv.reader(io.StringIO(text)))
    assert rows[0] == ["When (UTC)", "Who", "What", "Changed", "From", "To"]
    assert rows[1][1:] == [
        "owner@acme.test",
        "Limits and terms",
        "Monthly usage limit",
        "none",
        "750",
    ]
    assert dt.datetime.fromisoformat(rows[1][0])
    globex = make_workspace("Globex")
    assert client.get(reverse("billing:changes-csv", args=[globex.pk])).status_code == 404
