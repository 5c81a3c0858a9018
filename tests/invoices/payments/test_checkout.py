"""From "Payment method" to Stripe's pages and back."""

import re
from urllib.error import HTTPError
from urllib.parse import urlencode
from urllib.request import HTTPRedirectHandler, Request, build_opener

import pytest
from django.test import TestCase

from billing.models import Workspace, WorkspaceMember
from billing.stripe_accounts import DEFAULT
from dev.stripe_sandbox.testing import SandboxProcess
from invoices.payments import tasks
from invoices.payments.services.customers import ensure_customer
from invoices.payments.services.stripe_sync import sync_invoice
from tests.kit.deliveries import endpoint, event, post
from tests.kit.invoices import NOVEMBER_2, make_invoice
from tests.kit.personas import make_workspace, member_client
from tests.kit.stripe_side import customers, give_card
from tests.kit.waiting import wait_until

pytestmark = pytest.mark.django_db


@pytest.fixture
def acme(db: None, stripe_sandbox: SandboxProcess) -> Workspace:
    return make_workspace("Acme")


def path(workspace: Workspace, rest: str = "") -> str:
    return f"/w/{workspace.pk}/payment-method/{rest}"


class _Stay(HTTPRedirectHandler):
    def redirect_request(self, *args: object, **kwargs: object) -> None:
        return None


def choose_card(page: str, card: str) -> str:
    """Choose a test card on a page of the sandbox; where it sends the owner then."""
    request = Request(page, data=urlencode({"card": card}).encode(), method="POST")
    with pytest.raises(HTTPError) as answer:
        build_opener(_Stay).open(request)
    assert answer.value.code == 303
    return answer.value.headers["Location"]


def default_card() -> str | None:
    (found,) = customers()
    return found["invoice_settings"]["default_payment_method"]


def test_the_first_card_is_asked_for_by_checkout_and_becomes_the_default(acme: Workspace) -> None:
    client = member_client(acme)
    answer = client.post(path(acme))
    assert answer.status_code == 302
    assert "/pages/checkout/cs_test" in answer["Location"]
    back = choose_card(answer["Location"], "pm_card_visa")
    assert default_card() is None
    session_id = re.search(r"session_id=(\w+)", back).group(1)
    for _ in range(2):
        saved = client.get(path(acme, f"saved/?session_id={session_id}"))
        assert saved["Location"] == f"/w/{acme.pk}/invoices/"
    assert default_card().startswith("pm_")
    invoice = make_invoice(acme, status="draft")
    sync_invoice(invoice_id=invoice.pk, now=NOVEMBER_2)
    invoice.refresh_from_db()
    assert invoice.status == "paid"


def test_an_old_checkout_that_is_shown_again_does_not_bring_its_card_back(acme: Workspace) -> None:
    client = member_client(acme)
    back = choose_card(client.post(path(acme))["Location"], "pm_card_visa")
    session_id = re.search(r"session_id=(\w+)", back).group(1)
    saved = path(acme, f"saved/?session_id={session_id}")
    assert "Your card is saved" in client.get(saved, follow=True).content.decode()
    choose_card(client.post(path(acme))["Location"], "pm_card_mastercard")
    chosen = default_card()
    assert "Your card is saved" not in client.get(saved, follow=True).content.decode()
    tasks.save_card_from_checkout(str(acme.pk), session_id, DEFAULT)
    assert default_card() == chosen


def test_a_card_becomes_the_default_even_if_the_owner_does_not_come_back(
    acme: Workspace, monkeypatch: pytest.MonkeyPatch
) -> None:
    page = member_client(acme).post(path(acme))["Location"]
    back = choose_card(page, "pm_card_visa")
    session_id = re.search(r"session_id=(\w+)", back).group(1)
    started = []
    monkeypatch.setattr(
        tasks.save_card_from_checkout,
        "apply_async",
        lambda args, kwargs, **options: started.append(args),
    )
    (found,) = customers()
    session = {"id": session_id, "object": "checkout.session", "mode": "setup"}
    happened = event("checkout.session.completed", {**session, "customer": found["id"]})
    with TestCase.captureOnCommitCallbacks(execute=True):
        assert post(endpoint().djstripe_uuid, happened).status_code == 200
    wait_until(lambda: started)  # it is published by a thread
    assert started == [(str(acme.pk), session_id, DEFAULT)]
    tasks.save_card_from_checkout(*started[0])
    assert default_card().startswith("pm_")


def test_a_card_is_changed_in_the_billing_portal(acme: Workspace) -> None:
    give_card(ensure_customer(workspace_id=acme.pk, account=DEFAULT, now=NOVEMBER_2))
    before = default_card()
    answer = member_client(acme).post(path(acme))
    assert "/pages/portal/bps_" in answer["Location"]
    choose_card(answer["Location"], "pm_card_mastercard")
    assert default_card() != before


def test_another_workspaces_checkout_does_not_exist_here(acme: Workspace) -> None:
    globex = make_workspace("Globex")
    page = member_client(globex).post(path(globex))["Location"]
    session_id = re.search(r"cs_\w+", page).group(0)
    assert member_client(acme).get(path(acme, f"saved/?session_id={session_id}")).status_code == 404
    assert member_client(acme).get(path(acme, "saved/?session_id=cs_none")).status_code == 404
    assert member_client(acme).get(path(acme, "saved/?session_id=../customers")).status_code == 404


def test_who_may_not_change_settings_does_not_get_there(acme: Workspace) -> None:
    viewer = member_client(acme, role=WorkspaceMember.Role.VIEWER)
    assert viewer.post(path(acme)).status_code == 403
    assert member_client(make_workspace("Globex")).post(path(acme)).status_code == 404
    assert customers() == []


def test_stripe_being_down_is_said_and_nothing_breaks(
    acme: Workspace, stripe_sandbox: SandboxProcess
) -> None:
    stripe_sandbox.inject("drop_before", count=5)
    answer = member_client(acme).post(path(acme), follow=True)
    assert "cannot be reached now" in answer.content.decode()


def test_the_form_may_lead_to_stripe(acme: Workspace) -> None:
    policy = member_client(acme).get(f"/w/{acme.pk}/invoices/")["Content-Security-Policy"]
    allowed = re.search(r"form-action ([^;]*)", policy).group(1).split()
    assert "https://checkout.stripe.com" in allowed
    assert "https://billing.stripe.com" in allowed
