"""What providers charge, and the markup: shown to members only where the workspace shows it."""

import datetime as dt
import json
import re
from uuid import UUID, uuid4

import pytest
from django.test import Client
from django.urls import reverse

from billing.models import PlatformSetting, Workspace
from invoices.models import Invoice
from tests.kit.api import ApiClient
from tests.kit.invoices import issue_invoice
from tests.kit.personas import make_period, make_workspace, member_client
from tests.kit.usage import make_usage

pytestmark = pytest.mark.django_db
OCTOBER_5 = dt.datetime(2026, 10, 5, 12, tzinfo=dt.UTC)
# 7 minutes at 0.0137 cost 0.0959; with a markup of 31.7 % their price is 0.1263003.
SECRETS = ("0.0137", "0.0959", "31.7")
NAMES = ("unit_cost", "total_cost", "markup_percentage", "Unit cost", "Markup", "owners_see")
_TIMES = re.compile(r"\d\d:\d\d:\d\d[.\d]*")
CALL = UUID("7f1f1d5e-0000-4000-8000-000000000001")


def acme(owners_see: str = "", name: str = "Acme") -> Workspace:
    workspace = make_workspace(name)
    workspace.billing_settings.markup_percentage = "31.7"
    workspace.billing_settings.owners_see = owners_see
    workspace.billing_settings.save()
    make_usage(workspace, OCTOBER_5, "7", "0.0137", call_id=CALL if name == "Acme" else uuid4())
    issue_invoice(make_period(workspace, OCTOBER_5))
    return workspace


def pages_of(workspace: Workspace) -> list[str]:
    invoice = Invoice.objects.get(workspace=workspace)
    item = invoice.items.get(resource_type="call_minutes")
    return [
        reverse("analytics:dashboard", args=[workspace.pk]),
        reverse("analytics:spend", args=[workspace.pk]),
        reverse("analytics:compare", args=[workspace.pk]),
        reverse("usage:records", args=[workspace.pk]),
        reverse("usage:export", args=[workspace.pk]),
        reverse("usage:calls", args=[workspace.pk]),
        reverse("usage:calls", args=[workspace.pk]) + "?sort=-price",
        reverse("usage:calls-csv", args=[workspace.pk]),
        reverse("usage:receipt", args=[workspace.pk, CALL]),
        reverse("invoices:detail", args=[workspace.pk, invoice.pk]),
        reverse("invoices:item", args=[workspace.pk, invoice.pk, item.pk]),
        reverse("billing:settings", args=[workspace.pk]),
    ]


def answers_of(workspace: Workspace) -> list[str]:
    invoice = Invoice.objects.get(workspace=workspace)
    item = invoice.items.get(resource_type="call_minutes")
    record = workspace.usagerecord_set.get()
    return [
        f"/api/v1/usage/?workspace_id={workspace.pk}",
        f"/api/v1/usage/{record.pk}/",
        f"/api/v1/calls/{CALL}/receipt/",
        f"/api/v1/invoices/{invoice.pk}/items/{item.pk}/records/",
        f"/api/v1/workspaces/{workspace.pk}/billing-settings/",
        f"/api/v1/workspaces/{workspace.pk}/pricing/",
    ]


def text_of(client: Client, address: str) -> str:
    answer = client.get(address)
    assert answer.status_code == 200, (address, answer.content)
    content = b"".join(answer.streaming_content) if answer.streaming else answer.content
    return content.decode()


def leaks(text: str) -> list[str]:
    text = _TIMES.sub("", text)  # 12:00:31.7 hides nothing
    return [secret for secret in (*SECRETS, *NAMES) if secret in text]


@pytest.mark.parametrize("role", ["owner", "viewer"])
def test_by_default_members_see_prices_and_nothing_else(role: str) -> None:
    workspace = acme()
    client = member_client(workspace, role=role)

    for address in (*pages_of(workspace), *answers_of(workspace)):
        assert leaks(text_of(client, address)) == [], address
    shown = json.loads(text_of(client, answers_of(workspace)[0]))["results"][0]
    assert shown["final_cost"] == "0.1263003000"
    assert "$0.1263003" in text_of(client, reverse("usage:receipt", args=[workspace.pk, CALL]))


def test_a_workspace_may_show_costs_and_the_platform_may_show_all() -> None:
    workspace = acme("price_and_cost")
    client = member_client(workspace)

    for address in answers_of(workspace)[:4]:
        assert '"unit_cost":"0.0137"' in text_of(client, address)
    assert '"markup_percentage":"31.7"' in text_of(client, answers_of(workspace)[4])
    receipt = text_of(client, reverse("usage:receipt", args=[workspace.pk, CALL]))
    assert "$0.0137" in receipt
    assert "unit_cost" in text_of(client, reverse("usage:export", args=[workspace.pk]))

    globex = acme(name="Globex")
    theirs = f"/api/v1/usage/?workspace_id={globex.pk}"
    assert "unit_cost" not in text_of(member_client(globex), theirs)
    PlatformSetting.objects.filter(name=PlatformSetting.OWNERS_SEE_COST).update(value=1)
    assert "unit_cost" in text_of(member_client(globex), theirs)
    globex.billing_settings.owners_see = "price"
    globex.billing_settings.save()
    assert "unit_cost" not in text_of(member_client(globex), theirs)


def test_services_see_costs_but_for_a_key_that_may_read_usage_alone() -> None:
    workspace = acme()
    for scopes in (["billing:read", "usage:read"], ["usage:write"]):
        assert '"unit_cost":"0.0137"' in text_of(
            ApiClient(*scopes).client, answers_of(workspace)[0]
        )
    for address in answers_of(workspace)[:3]:
        assert leaks(text_of(ApiClient("usage:read").client, address)) == []


def test_each_row_of_a_list_is_shown_by_its_own_workspaces_setting() -> None:
    shown, hidden = acme("price_and_cost"), acme(name="Globex")
    rows = ApiClient("usage:read").get("usage/").json()["results"]

    assert {row["workspace_id"]: "unit_cost" in row for row in rows} == {
        str(shown.pk): True,
        str(hidden.pk): False,
    }
