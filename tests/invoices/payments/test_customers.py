"""The customer in Stripe that stands for a workspace."""

import datetime as dt

import pytest
from djstripe.models import Customer
from pytest_django import DjangoCaptureOnCommitCallbacks, Settings

from billing.models import Email, Workspace
from billing.services.workspaces import update_workspace
from billing.stripe_accounts import DEFAULT, AccountName
from dev.stripe_sandbox.testing import SandboxProcess
from invoices.payments.models import StripeCustomer
from invoices.payments.services import stripe_client
from invoices.payments.services.customers import (
    DETAILS,
    ensure_customer,
    note_customer_deleted,
    note_details_changed,
    update_customer,
)
from invoices.payments.services.tax_ids import tax_id_kind
from tests.kit.invoices import NOVEMBER_2
from tests.kit.personas import make_workspace, member_client
from tests.kit.stripe_side import customers

pytestmark = pytest.mark.django_db

LATER = NOVEMBER_2 + dt.timedelta(hours=2)


@pytest.fixture
def acme(db: None, stripe_sandbox: SandboxProcess) -> Workspace:
    return make_workspace("Acme", billing_email="billing@acme.test")


def ours(workspace: Workspace) -> StripeCustomer:
    return StripeCustomer.objects.get(workspace=workspace)


def ensure(workspace: Workspace, now: dt.datetime = NOVEMBER_2) -> str:
    return ensure_customer(workspace_id=workspace.pk, account=DEFAULT, now=now)


def change(workspace: Workspace, **changes: str) -> None:
    update_workspace(workspace_id=workspace.pk, changes=changes, now=NOVEMBER_2)


def tax_ids(customer_id: str) -> list[tuple[str, str]]:
    found = stripe_client.every(DEFAULT, f"/v1/customers/{customer_id}/tax_ids")
    return [(each["type"], each["value"]) for each in found]


def test_a_workspace_has_one_customer_with_its_details(acme: Workspace) -> None:
    change(acme, billing_name="Acme GmbH", address_line1="Torstr. 1", address_country="DE")
    assert ensure(acme) == ensure(acme)
    (found,) = customers()
    assert (found["name"], found["email"]) == ("Acme GmbH", "billing@acme.test")
    assert (found["address"]["line1"], found["address"]["country"]) == ("Torstr. 1", "DE")
    assert found["metadata"] == {"workspace_id": str(acme.pk)}


def test_two_workspaces_with_one_address_have_a_customer_each(acme: Workspace) -> None:
    globex = make_workspace("Globex")
    change(globex, billing_email="billing@acme.test")
    assert ensure(acme) != ensure(globex)


def test_a_customer_that_was_made_without_our_noting_it_is_found_by_the_address_it_was_made_with(
    acme: Workspace, stripe_sandbox: SandboxProcess
) -> None:
    stripe_sandbox.inject("drop_after", path=r"/v1/customers$", method="POST")
    with pytest.raises(Exception, match="cannot be reached"):
        ensure(acme)
    change(acme, billing_email="accounts@acme.test")
    stripe_sandbox.advance(25 * 3600)
    ensure(acme, LATER + dt.timedelta(days=1))
    (found,) = customers()
    assert found["email"] == "accounts@acme.test"


def test_changed_details_are_sent_when_the_change_has_committed(
    acme: Workspace, django_capture_on_commit_callbacks: DjangoCaptureOnCommitCallbacks
) -> None:
    ensure(acme)
    with django_capture_on_commit_callbacks() as callbacks:
        change(acme, name="Acme Corporation", billing_email="accounts@acme.test")
    assert len(callbacks) == 1
    assert DETAILS.due(now=NOVEMBER_2) == [ours(acme).pk]
    assert update_customer(customer=ours(acme).pk, now=NOVEMBER_2)
    (found,) = customers()
    assert (found["name"], found["email"]) == ("Acme Corporation", "accounts@acme.test")
    assert DETAILS.due(now=LATER) == []


def test_an_address_that_was_removed_is_cleared(acme: Workspace) -> None:
    change(acme, address_line1="Torstr. 1", address_city="Berlin")
    ensure(acme)
    change(acme, address_line1="", address_city="Hamburg")
    update_customer(customer=ours(acme).pk, now=NOVEMBER_2)
    (found,) = customers()
    assert (found["address"]["line1"], found["address"]["city"]) == (None, "Hamburg")


def test_a_workspace_without_a_customer_has_nothing_to_update(acme: Workspace) -> None:
    change(acme, name="Acme Corporation")
    assert DETAILS.due(now=LATER) == []
    assert customers() == []


def test_an_update_that_fails_is_tried_again_later(
    acme: Workspace, stripe_sandbox: SandboxProcess
) -> None:
    ensure(acme)
    change(acme, name="Acme Corporation")
    stripe_sandbox.inject("500_before", method="POST")
    assert not update_customer(customer=ours(acme).pk, now=NOVEMBER_2)
    assert DETAILS.due(now=NOVEMBER_2) == []
    assert DETAILS.due(now=LATER) == [ours(acme).pk]
    assert update_customer(customer=ours(acme).pk, now=LATER)
    assert customers()[0]["name"] == "Acme Corporation"


def test_a_change_during_the_update_is_not_lost(
    acme: Workspace, monkeypatch: pytest.MonkeyPatch
) -> None:
    ensure(acme)
    change(acme, name="Acme Corporation")
    post = stripe_client.post

    def post_and_change(
        account: AccountName, path: str, params: dict[str, object]
    ) -> stripe_client.StripeObject:
        answer = post(account, path, params)
        update_workspace(workspace_id=acme.pk, changes={"name": "Acme Holding"}, now=LATER)
        return answer

    monkeypatch.setattr(stripe_client, "post", post_and_change)
    update_customer(customer=ours(acme).pk, now=NOVEMBER_2)
    monkeypatch.undo()
    assert DETAILS.due(now=LATER) == [ours(acme).pk]


def test_a_customer_deleted_in_stripe_is_followed_by_a_new_one(acme: Workspace) -> None:
    first = ensure(acme)
    stripe_client.delete(DEFAULT, f"/v1/customers/{first}")
    second = ensure(acme)
    assert second != first
    assert [each["id"] for each in customers()] == [second]
    assert ours(acme).generation == 2
    assert Customer.objects.get(subscriber=acme).id == second


def test_the_news_of_a_deletion_is_noted_once(acme: Workspace) -> None:
    first = ensure(acme)
    assert note_customer_deleted(customer_id=first, account=DEFAULT, now=LATER)
    assert not note_customer_deleted(customer_id=first, account=DEFAULT, now=LATER)
    assert not note_customer_deleted(customer_id="cus_of_somebody_else", account=DEFAULT, now=LATER)
    assert ours(acme).missing_since == LATER


def test_updating_a_deleted_customer_makes_none(acme: Workspace) -> None:
    stripe_client.delete(DEFAULT, f"/v1/customers/{ensure(acme)}")
    change(acme, name="Acme Corporation")
    assert not update_customer(customer=ours(acme).pk, now=NOVEMBER_2)
    assert customers() == []
    assert DETAILS.due(now=LATER) == []
    ensure(acme)
    assert customers()[0]["name"] == "Acme Corporation"


def test_a_tax_id_is_kept_and_replaced(acme: Workspace) -> None:
    change(acme, tax_id="DE136695976", address_country="DE")
    customer_id = ensure(acme)
    assert tax_ids(customer_id) == [("eu_vat", "DE136695976")]
    change(acme, tax_id="DE987654002")
    update_customer(customer=ours(acme).pk, now=NOVEMBER_2)
    assert tax_ids(customer_id) == [("eu_vat", "DE987654002")]
    change(acme, tax_id="")
    update_customer(customer=ours(acme).pk, now=NOVEMBER_2)
    assert tax_ids(customer_id) == []


def test_a_tax_id_that_stripe_refuses_waits_for_a_change_and_is_told(
    acme: Workspace, settings: Settings
) -> None:
    settings.FINANCE_EMAILS = ["finance@platform.test"]
    customer_id = ensure(acme)
    # Ours takes what looks like a number of that country; Stripe knows better.
    Workspace.objects.filter(pk=acme.pk).update(tax_id="DE000", address_country="DE")
    note_details_changed(workspace_id=acme.pk, now=NOVEMBER_2)
    assert not update_customer(customer=ours(acme).pk, now=NOVEMBER_2)

    account = ours(acme)
    assert (account.status, account.blocked_reason) == ("blocked", "refused")
    assert "Invalid value for eu_vat" in account.last_error
    assert DETAILS.due(now=LATER + dt.timedelta(days=9)) == [], "nothing has changed"
    to_finance = Email.objects.get(kind="finance")
    assert to_finance.subject == "Stripe refuses the billing details of Acme"
    to_owner = Email.objects.get(kind="details_refused")
    assert to_owner.recipients == ["owner@acme.test"]
    assert "Invalid value for eu_vat" in to_owner.text
    assert f"/w/{acme.pk}/settings/" in to_owner.text
    page = member_client(acme).get(f"/w/{acme.pk}/").content.decode()
    assert "Your billing details were not accepted." in page
    # An invoice goes on with what Stripe has.
    assert ensure(acme, LATER) == customer_id

    change(acme, tax_id="DE136695976")
    assert update_customer(customer=ours(acme).pk, now=LATER)
    assert tax_ids(customer_id) == [("eu_vat", "DE136695976")]
    assert "were not accepted" not in member_client(acme).get(f"/w/{acme.pk}/").content.decode()


@pytest.mark.parametrize(
    ("tax_id", "country", "kind"),
    [
        ("DE136695976", "DE", "eu_vat"),
        ("EL123456789", "GR", "eu_vat"),
        ("ATU12345678", "", "eu_vat"),
        ("GB123456789", "GB", "gb_vat"),
        ("12-3456789", "US", "us_ein"),
        ("CHE-123.456.789 MWST", "CH", "ch_vat"),
        ("27AAPFU0939F1ZV", "IN", "in_gst"),
        ("123", "NP", ""),
    ],
)
def test_the_kind_of_a_tax_id(tax_id: str, country: str, kind: str) -> None:
    assert tax_id_kind(tax_id=tax_id, country=country) == kind
