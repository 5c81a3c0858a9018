"""Two issuers with a Stripe account each: nothing of one is asked, told or stopped by the other."""

import ast
import re
from collections.abc import Iterator
from pathlib import Path

import pytest
from django.core.cache import cache
from django.core.management import call_command
from django.urls import reverse
from django.utils import timezone as clock
from djstripe.models import Customer as MirroredCustomer
from pytest_django import Settings
from pytest_django.live_server_helper import LiveServer

from billing.issuers import account_of
from billing.models import AuditEntry, Email, IssuingEntity, Workspace
from billing.services.workspaces import update_workspace
from billing.stripe_accounts import DEFAULT, AccountName
from dev.stripe_sandbox.testing import ANOTHER_KEY, SandboxProcess
from invoices.models import Invoice, PaymentMethod
from invoices.payments.checks import check_stripe_accounts
from invoices.payments.models import HandledEvent, ReconciliationRun, StripeCustomer
from invoices.payments.services import stripe_client
from invoices.payments.services.checkout import SESSION_ID, payment_method_page
from invoices.payments.services.collection import carry_out, retry_payment
from invoices.payments.services.customers import ensure_customer
from invoices.payments.services.payment_methods import refresh_payment_method
from invoices.payments.services.reconciliation import reconcile
from invoices.payments.services.stripe_errors import StripeMissing, StripeUnavailable
from invoices.payments.services.stripe_sync import sync_invoice
from invoices.queries import lacks_payment_method
from tests.kit.api import ApiClient
from tests.kit.credit_notes import issue_note, sync
from tests.kit.deliveries import about, endpoint, event, post
from tests.kit.invoices import NOVEMBER_2, make_invoice
from tests.kit.personas import make_workspace
from tests.kit.staff import finance_client, superuser_client, workspace_form
from tests.kit.stripe_side import customers, give_card, invoices

pytestmark = pytest.mark.django_db
US = AccountName("us")
# As the sandbox names the account of that key.
IN_SANDBOX = "Us"
ROOT = Path(__file__).resolve().parents[3]


@pytest.fixture
def sandbox(stripe_sandbox: SandboxProcess, settings: Settings) -> SandboxProcess:
    settings.STRIPE_ACCOUNT_KEYS = {"us": ANOTHER_KEY}
    settings.FINANCE_EMAILS = ["finance@platform.test"]
    return stripe_sandbox


@pytest.fixture
def american(sandbox: SandboxProcess) -> IssuingEntity:
    return IssuingEntity.objects.create(
        code="US",
        series="US",
        name="Voice Inc.",
        address_line1="1 Main St",
        address_city="Austin",
        address_country="US",
        email="billing@voice.test",
        stripe_account=US,
    )


@pytest.fixture
def acme(sandbox: SandboxProcess) -> Workspace:
    return with_card(make_workspace("Acme"))


@pytest.fixture
def globex(american: IssuingEntity) -> Workspace:
    workspace = make_workspace("Globex")
    update_workspace(workspace_id=workspace.pk, changes={"issuing_entity": "US"}, now=NOVEMBER_2)
    return with_card(Workspace.objects.get(pk=workspace.pk))


def with_card(workspace: Workspace) -> Workspace:
    account = account_of(workspace.issuing_entity)
    customer = ensure_customer(workspace_id=workspace.pk, account=account, now=NOVEMBER_2)
    give_card(customer, account=account)
    refresh_payment_method(workspace_id=workspace.pk, account=account, now=NOVEMBER_2)
    return workspace


def synced(workspace: Workspace, *, month: int = 10, how: str = "charge_automatically") -> Invoice:
    invoice = make_invoice(
        workspace,
        month=month,
        status="draft",
        collection_method=how,
        stripe_account=account_of(workspace.issuing_entity),
    )
    result = sync_invoice(invoice_id=invoice.pk, now=NOVEMBER_2)
    assert result.done, result.detail
    return Invoice.objects.get(pk=invoice.pk)


def test_each_issuers_invoices_payments_and_refunds_are_in_its_own_account(
    acme: Workspace, globex: Workspace
) -> None:
    ours, theirs = synced(acme), synced(globex)
    assert [each["id"] for each in invoices()] == [ours.stripe_invoice_id]
    assert [each["id"] for each in invoices(US)] == [theirs.stripe_invoice_id]
    assert [each["status"] for each in (*invoices(), *invoices(US))] == ["paid", "paid"]
    with pytest.raises(StripeMissing):
        stripe_client.get(US, f"/v1/invoices/{ours.stripe_invoice_id}")
    assert (len(customers()), len(customers(US))) == (1, 1)
    owners = MirroredCustomer.objects.order_by("djstripe_owner_account")
    assert [each.subscriber for each in owners] == [acme, globex]
    assert len(set(owners.values_list("djstripe_owner_account", flat=True))) == 2

    assert reconcile(now=clock.now()) == []
    theirs.refresh_from_db()
    assert sync(issue_note(theirs, rest_to="refund")) == "done"
    assert [each["amount"] for each in stripe_client.every(US, "/v1/refunds")] == [2000]
    assert list(stripe_client.every(DEFAULT, "/v1/refunds")) == []
    assert reconcile(now=clock.now()) == []
    assert ReconciliationRun.objects.latest("started_at").checked == 2


def test_an_event_of_one_account_changes_nothing_of_the_others(
    acme: Workspace, globex: Workspace
) -> None:
    ours = synced(acme, how="send_invoice")
    here, there = endpoint(), endpoint("whsec_other0123456789", account="us")
    voided = about("invoice.voided", ours.stripe_invoice_id)

    # The secret and the account have to be of the same endpoint.
    assert post(here.djstripe_uuid, voided, account="us").status_code == 404
    assert post(there.djstripe_uuid, voided, secret=there.secret).status_code == 404
    assert post(there.djstripe_uuid, voided, account="us").status_code == 400
    assert not HandledEvent.objects.exists()

    customer = StripeCustomer.objects.get(workspace=acme)
    foreign = [
        voided,
        about("invoice.paid", "in_us_1", metadata={"invoice_id": str(ours.pk)}),
        event("customer.deleted", {"id": customer.stripe_id, "object": "customer"}),
        event("customer.updated", {"id": customer.stripe_id, "object": "customer"}),
    ]
    for each in foreign:
        answer = post(there.djstripe_uuid, each, secret=there.secret, account="us")
        assert answer.status_code == 200
    ours.refresh_from_db()
    customer.refresh_from_db()
    assert (ours.status, customer.stripe_id is None) == ("open", False)
    handled = HandledEvent.objects.all()
    assert {each.account for each in handled} == {"us"}
    assert all(each.outcome.startswith("refused: The ") for each in handled)
    subjects = set(Email.objects.filter(kind="finance").values_list("subject", flat=True))
    assert subjects == {"An event of the Stripe account us names what is another account's"}

    # A subscription says whose it is by our id alone.
    ended = event(
        "customer.subscription.deleted",
        {"id": "sub_1", "customer": "cus_us_9", "metadata": {"workspace_id": str(acme.pk)}},
    )
    assert post(there.djstripe_uuid, ended, secret=there.secret, account="us").status_code == 200
    assert (
        HandledEvent.objects.get(event_id=ended["id"]).outcome == "subscription sub_1 is not ours"
    )

    assert (
        post(here.djstripe_uuid, about("invoice.voided", ours.stripe_invoice_id)).status_code == 200
    )
    ours.refresh_from_db()
    assert ours.status == "void"


def test_a_revoked_key_stops_its_own_account_only(
    acme: Workspace, globex: Workspace, sandbox: SandboxProcess
) -> None:
    sandbox.revoke(ANOTHER_KEY, account=IN_SANDBOX)
    theirs = make_invoice(globex, status="draft", stripe_account=US)
    waits = sync_invoice(invoice_id=theirs.pk, now=NOVEMBER_2)
    assert (waits.status, "does not accept the secret key" in waits.detail) == ("waiting", True)

    ours = synced(acme)
    with pytest.raises(StripeUnavailable):
        reconcile(now=clock.now())
    run = ReconciliationRun.objects.get()
    assert (run.checked, run.error[:40]) == (1, "us: Stripe does not accept the secret ke")
    ours.refresh_from_db()
    assert ours.status == "paid"


def test_an_account_that_is_no_longer_configured_is_named_and_holds_up_no_other(
    acme: Workspace, globex: Workspace, settings: Settings
) -> None:
    theirs = make_invoice(globex, status="draft", stripe_account=US)
    assert check_stripe_accounts(None, databases=["default"]) == []
    settings.STRIPE_ACCOUNT_KEYS = {}

    waits = sync_invoice(invoice_id=theirs.pk, now=NOVEMBER_2)
    assert waits.status == "waiting"
    assert waits.detail.startswith("The Stripe account us is not configured: set STRIPE_SECRET_KEY")
    found = check_stripe_accounts(None, databases=["default"])
    assert [each.msg.partition(",")[0] for each in found] == [
        "us: no Stripe account of the settings"
    ] * 2
    synced(acme)
    with pytest.raises(Exception, match="The Stripe account us is not configured"):
        reconcile(now=clock.now())
    assert ReconciliationRun.objects.get().checked == 1


def test_a_workspace_that_moves_leaves_its_card_and_what_was_issued_where_they_are(
    acme: Workspace, american: IssuingEntity
) -> None:
    before = synced(acme, month=9, how="send_invoice")
    moved = {"issuing_entity": "US"}
    update_workspace(workspace_id=acme.pk, changes=moved, now=NOVEMBER_2)
    acme = Workspace.objects.get(pk=acme.pk)
    after = synced(acme, month=10)
    assert (after.stripe_account, after.status) == (US, "open")
    assert lacks_payment_method(after), "its card is in the other account"
    assert set(acme.stripe_customers.values_list("account", flat=True)) == {DEFAULT, US}

    # What was issued before is charged where it was issued, from the card that is there.
    Invoice.objects.filter(pk=before.pk).update(collection_method="charge_automatically")
    action = retry_payment(invoice_id=before.pk, actor=None, now=NOVEMBER_2)
    done = carry_out(action_id=action.pk, now=NOVEMBER_2)
    assert done is not None
    assert (done.status, done.last_error) == ("done", "")
    before.refresh_from_db()
    assert before.status == "paid"

    # A card is asked for in the new account, and pays what is open in that one.
    page = payment_method_page(
        workspace_id=acme.pk, return_url="https://x.test", saved_url=SESSION_ID, now=NOVEMBER_2
    )
    session = re.search(r"cs_\w+", page)
    assert session is not None
    assert stripe_client.get(US, f"/v1/checkout/sessions/{session[0]}")["status"] == "open"
    with_card(acme)
    assert PaymentMethod.objects.filter(workspace=acme).count() == 2
    (charge,) = after.actions.all()
    carry_out(action_id=charge.pk, now=NOVEMBER_2)
    after.refresh_from_db()
    assert after.status == "paid"
    assert reconcile(now=clock.now()) == []


def test_finance_is_told_before_a_card_stays_behind(
    acme: Workspace, american: IssuingEntity
) -> None:
    finance = finance_client()
    address = reverse("admin:billing_workspace_change", args=[acme.pk])
    assert "default, from Visa ending in 4242" in finance.get(address).content.decode()
    asked = workspace_form(acme, issuing_entity=str(american.pk))
    refused = finance.post(address, asked)
    assert "Visa ending in 4242 is kept by the Stripe account default" in refused.content.decode()
    acme.refresh_from_db()
    assert acme.issuing_entity is None
    assert finance.post(address, {**asked, "card_stays": "on"}).status_code == 302
    acme.refresh_from_db()
    assert acme.issuing_entity == american

    entity = superuser_client().get(
        reverse("admin:billing_issuingentity_change", args=[american.pk])
    )
    page = entity.content.decode()
    assert '<option value="us" selected>us</option>' in page
    logged = " ".join(str(each) for each in AuditEntry.objects.values_list("changes", flat=True))
    assert "stripe_account" in logged
    assert ANOTHER_KEY not in page + logged


def test_the_api_leaves_no_card_behind_unless_it_says_so(
    acme: Workspace, american: IssuingEntity
) -> None:
    api = ApiClient("terms:write")
    address = f"workspaces/{acme.pk}/"

    refused = api.patch(address, {"issuing_entity": "US"})

    assert (refused.status_code, refused.json()["code"]) == (409, "card_stays_behind")
    assert refused.json()["detail"].startswith("Visa ending in 4242 is kept by the Stripe account")
    acme.refresh_from_db()
    assert acme.issuing_entity is None
    moved = api.patch(address, {"issuing_entity": "US", "card_stays": True})
    assert (moved.status_code, moved.json()["issuing_entity"]) == (200, "US")
    assert "card_stays" not in moved.json()


@pytest.mark.django_db(transaction=True)
def test_each_account_posts_to_an_address_of_its_own(
    live_server: LiveServer, globex: Workspace, sandbox: SandboxProcess, settings: Settings
) -> None:
    cache.clear()
    call_command("register_stripe_webhook", "--url", live_server.url, verbosity=0)
    settings.CELERY_TASK_ALWAYS_EAGER = True
    (theirs,) = stripe_client.every(US, "/v1/webhook_endpoints")
    (default,) = stripe_client.every(DEFAULT, "/v1/webhook_endpoints")
    assert theirs["url"].startswith(f"{live_server.url}/stripe/webhook/us/")
    assert default["url"].count("/") == theirs["url"].count("/") - 1

    invoice = synced(globex)
    sandbox.wait_for_webhooks()
    paid = HandledEvent.objects.get(event_type="invoice.paid")
    assert (paid.account, invoice.number in paid.outcome) == (US, True)
    assert not HandledEvent.objects.exclude(account=US).exists()
    assert Invoice.objects.get(pk=invoice.pk).status == "paid"


_ASKS = re.compile(r"stripe\.\w+\.(create|retrieve|modify|list|delete|search|request)")
_OWN = ("stripe.StripeClient", "stripe.RequestsClient", "stripe.api_key")


def _sources() -> Iterator[tuple[str, ast.AST]]:
    for room in ("billing", "usage", "invoices", "analytics", "config", "dev/demo", "dev/launcher"):
        for path in sorted((ROOT / room).rglob("*.py")):
            yield str(path.relative_to(ROOT)), ast.parse(path.read_text(encoding="utf-8"))


def test_no_request_to_stripe_is_made_but_through_the_client_that_wants_an_account() -> None:
    found = set()
    for path, tree in _sources():
        for node in ast.walk(tree):
            if isinstance(node, ast.ImportFrom) and node.module == "stripe":
                # Under another name, what asks would not be found below.
                assert all(each.name.endswith("Error") for each in node.names), path
            elif isinstance(node, ast.Attribute):
                text = ast.unparse(node)
                if text in _OWN or _ASKS.fullmatch(text):
                    found.add(path)
            elif isinstance(node, ast.Call) and ast.unparse(node.func).endswith("from_stripe_data"):
                # dj-stripe reads what an object refers to: with the key of its account.
                assert "api_key" in {each.arg for each in node.keywords}, path
    assert found == {"invoices/payments/services/stripe_client.py"}
