"""Owners' forms take the fields that they show, whatever else is sent with them."""

from typing import Any

import pytest
from django.urls import reverse

from billing.models import User, Workspace, WorkspaceBillingSettings
from tests.kit.personas import make_workspace, member_client

pytestmark = pytest.mark.django_db

# What an owner would like to have, and who they would like to be.
WISHED = {
    "id": "00000000-0000-0000-0000-000000000001",
    "pk": "00000000-0000-0000-0000-000000000001",
    "status": "closed",
    "suspension_reason": "manual",
    "tier": "1",
    "currency": "JPY",
    "timezone": "Asia/Tokyo",
    "tax_status": "exempt",
    "tax_exemption": "Because",
    "issuing_entity": "1",
    "custom_fields": '{"Kostenstelle": "1"}',
    "markup_percentage": "0",
    "prices_include_tax": "on",
    "collection_method": "send_invoice",
    "payment_terms_days": "365",
    "owners_see": "price_and_cost",
    "is_staff": "on",
    "is_superuser": "on",
    "is_active": "",
    "groups": "1",
    "user_permissions": "1",
    "email": "root@finance.test",
    "password": "x",
    "date_joined": "2020-01-01",
}


def terms(acme: Workspace) -> dict[str, Any]:
    return {
        **Workspace.objects.filter(pk=acme.pk).values().get(),
        **WorkspaceBillingSettings.objects.filter(workspace=acme).values().get(),
    }


@pytest.mark.parametrize(
    ("form", "sent"),
    [
        ("limits", {"usage_limit_monthly": "750", "alert_threshold_percentage": "70"}),
        ("details", {"billing_email": "bills@acme.test", "address_city": "Berlin"}),
        ("e-invoices", {"e_invoice_format": "facturx", "order_number": "PO 7"}),
    ],
)
def test_settings_of_a_workspace(form: str, sent: dict[str, str]) -> None:
    acme = make_workspace()
    client = member_client(acme)
    before = terms(acme)

    page = client.post(
        reverse("billing:settings", args=[acme.pk]),
        # Ticked as they are, for a box that is not sent is one that was cleared.
        {**WISHED, "auto_pause_on_limit": "on", "e_invoice_attached": "on", "form": form, **sent},
    )

    assert page.status_code == 302
    after = terms(acme)
    assert {name for name in after if after[name] != before[name]} - {"updated_at"} == set(sent)


def test_an_account() -> None:
    client = member_client(make_workspace())
    before = User.objects.values().get()

    page = client.post(
        "/account/", {**WISHED, "form": "details", "name": "Olive", "language": "de"}
    )

    assert page.status_code == 302
    after = User.objects.values().get()
    assert {name for name in after if after[name] != before[name]} == {"name", "language"}
    assert not User.objects.filter(groups__isnull=False).exists()


def test_an_invitation_is_to_this_workspace_and_from_who_sends_it() -> None:
    acme, globex = make_workspace("Acme"), make_workspace("Globex")
    member_client(acme).post(
        reverse("billing:people", args=[acme.pk]),
        {**WISHED, "email": "new@acme.test", "role": "viewer", "workspace": globex.pk,
         "workspace_id": globex.pk, "invited_by": "1", "accepted_at": "2026-01-01"},
    )  # fmt: skip
    invited = acme.invitations.get()
    assert (invited.email, invited.role, invited.accepted_at) == ("new@acme.test", "viewer", None)
    assert invited.invited_by.email == "owner@acme.test"
    assert not globex.invitations.exists()
