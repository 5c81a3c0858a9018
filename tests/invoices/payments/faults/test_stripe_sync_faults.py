"""Whatever goes wrong with whichever request: the customer is billed once, and right.

Each of the sync's requests, times each way to fail, times going on at once or after Stripe has
forgotten the idempotency keys. All begin with the same rows and the same Stripe, made once.
"""

import datetime as dt
from collections.abc import Callable, Iterator

import pytest
from django.db import connection
from pytest_django import DjangoDbBlocker

from billing.stripe_accounts import DEFAULT
from dev.stripe_sandbox.testing import SandboxProcess
from invoices.models import Invoice
from invoices.payments.services import lookups
from invoices.payments.services.customers import ensure_customer
from invoices.payments.services.stripe_sync import steps, sync_invoice
from tests.invoices.conftest import used_for_module
from tests.kit.crashes import Call, Commits, Killed, killed_at_request
from tests.kit.invoices import NOVEMBER_2, make_invoice
from tests.kit.kept import kept_for_module
from tests.kit.outcome import A_DAY_LATER, AT_ONCE, faults_and_pauses, flaws, go_on
from tests.kit.personas import make_workspace
from tests.kit.stripe_side import give_card

pytestmark = pytest.mark.django_db

NEW_CUSTOMER = {
    "customer": Call("POST", r"/v1/customers$"),
    "draft": Call("POST", r"/v1/invoices$"),
    "first item": Call("POST", r"/v1/invoiceitems$"),
    "last item": Call("POST", r"/v1/invoiceitems$", skip=1),
    "comparison": Call("GET", r"/v1/invoices/in_\w+$"),
    "finalization": Call("POST", r"/finalize$"),
    "sending": Call("POST", r"/send$"),
}
CUSTOMER_WITH_CARD = {
    "customer's retrieval": Call("GET", r"/v1/customers/cus_\w+$"),
    "charge": Call("POST", r"/pay$"),
}
CALLS = NEW_CUSTOMER | CUSTOMER_WITH_CARD
pauses = pytest.mark.parametrize(
    "pause",
    [pytest.param(AT_ONCE, id="at once"), pytest.param(A_DAY_LATER, id="after 25 hours")],
)


InvoiceFor = Callable[[str], Invoice]


@pytest.fixture(scope="module")
def made(
    sandbox_process: SandboxProcess, django_db_setup: None, django_db_blocker: DjangoDbBlocker
) -> Iterator[Invoice]:
    """Of somebody Stripe does not know yet, while Stripe is empty."""
    with kept_for_module(django_db_blocker), used_for_module(sandbox_process):
        acme = make_workspace("Acme")
        invoice = make_invoice(acme, status="draft", collection_method="send_invoice")
        sandbox_process.remember()
        yield invoice


@pytest.fixture
def stripe_sandbox(made: Invoice, sandbox_process: SandboxProcess) -> SandboxProcess:
    sandbox_process.recall()
    return sandbox_process


@pytest.fixture
def invoice_for(made: Invoice, stripe_sandbox: SandboxProcess) -> InvoiceFor:
    """To be sent to somebody new, or charged to a card that Stripe knows."""

    def invoice(name: str) -> Invoice:
        if name in NEW_CUSTOMER:
            return Invoice.objects.get(pk=made.pk)
        globex = make_workspace("Globex")
        give_card(ensure_customer(workspace_id=globex.pk, account=DEFAULT, now=NOVEMBER_2))
        return make_invoice(globex, status="draft")

    return invoice


@pytest.mark.parametrize(("fault", "pause"), faults_and_pauses(AT_ONCE, A_DAY_LATER))
@pytest.mark.parametrize("name", CALLS)
def test_a_request_that_fails_is_made_good(
    name: str,
    fault: str,
    pause: dt.timedelta,
    stripe_sandbox: SandboxProcess,
    invoice_for: InvoiceFor,
) -> None:
    invoice = invoice_for(name)
    call = CALLS[name]
    stripe_sandbox.inject(fault, method=call.method, path=call.path, skip=call.skip)
    first = sync_invoice(invoice_id=invoice.pk, now=NOVEMBER_2)
    assert not first.done
    assert stripe_sandbox.faults()[0]["count"] == 0
    result = go_on(invoice, since=NOVEMBER_2, pause=pause, sandbox=stripe_sandbox)
    assert flaws(invoice, result) == []


@pauses
@pytest.mark.parametrize("when", ["before", "after"])
@pytest.mark.parametrize("name", CALLS)
def test_a_process_killed_around_a_request_is_followed_by_another(
    name: str,
    when: str,
    pause: dt.timedelta,
    stripe_sandbox: SandboxProcess,
    invoice_for: InvoiceFor,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    invoice = invoice_for(name)
    with killed_at_request(CALLS[name], when=when, monkeypatch=monkeypatch):
        sync_invoice(invoice_id=invoice.pk, now=NOVEMBER_2)
    result = go_on(invoice, since=NOVEMBER_2, pause=pause, sandbox=stripe_sandbox)
    assert flaws(invoice, result) == []


# A sync to a new customer commits this often; one test below holds the number to the truth.
COMMITS = 27
# Before these something happened that lasts. Dying before another one, with nothing but its own
# work undone, leaves what dying after the last one leaves: it would be the same test again.
AFTER_SOMETHING_LASTING = [2, 5, 6, 8, 9, 10, 11, 13, 15, 17, 19, 21, 26]


@pytest.mark.parametrize(
    ("nth", "when"),
    [
        *((nth, "after") for nth in range(1, COMMITS + 1)),
        *((nth, "before") for nth in AFTER_SOMETHING_LASTING),
    ],
)
def test_a_process_killed_around_a_commit_is_followed_by_another(
    nth: int, when: str, stripe_sandbox: SandboxProcess, invoice_for: InvoiceFor
) -> None:
    invoice = invoice_for("customer")
    commits = Commits(fatal=nth, before=when == "before")
    with connection.execute_wrapper(commits), pytest.raises(Killed):
        sync_invoice(invoice_id=invoice.pk, now=NOVEMBER_2)
    result = go_on(invoice, since=NOVEMBER_2, pause=AT_ONCE, sandbox=stripe_sandbox)
    assert flaws(invoice, result) == []


def test_every_commit_of_a_sync_is_among_those_it_is_killed_at(
    stripe_sandbox: SandboxProcess, invoice_for: InvoiceFor
) -> None:
    invoice = invoice_for("customer")
    commits = Commits(outside_world=lambda: len(stripe_sandbox.requests()))
    with connection.execute_wrapper(commits):
        result = sync_invoice(invoice_id=invoice.pk, now=NOVEMBER_2)
    assert flaws(invoice, result) == []
    assert commits.seen == COMMITS
    assert sorted(commits.lasting) == AFTER_SOMETHING_LASTING


@pytest.mark.parametrize(
    ("name", "fault", "pause"),
    [
        pytest.param("customer", "drop_after", A_DAY_LATER, id="customer"),
        pytest.param("draft", "drop_after", A_DAY_LATER, id="draft"),
        pytest.param("draft", "500_after", AT_ONCE, id="draft, at once"),
        pytest.param("last item", "drop_after", A_DAY_LATER, id="item"),
        pytest.param("last item", "500_after", AT_ONCE, id="item, at once"),
    ],
)
def test_without_looking_first_keys_alone_do_not_do(
    name: str,
    fault: str,
    pause: dt.timedelta,
    stripe_sandbox: SandboxProcess,
    invoice_for: InvoiceFor,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """The negative control: were this to find no flaws, the tests above would prove nothing."""
    monkeypatch.setattr(lookups, "customer_of", lambda **_: None)
    monkeypatch.setattr(lookups, "invoices_of", lambda **_: [])
    monkeypatch.setattr(lookups, "items_of", lambda _: {})
    monkeypatch.setattr(steps, "_no_longer", lambda *_: None)
    invoice = invoice_for(name)
    call = CALLS[name]
    stripe_sandbox.inject(fault, method=call.method, path=call.path, skip=call.skip)
    sync_invoice(invoice_id=invoice.pk, now=NOVEMBER_2)
    result = go_on(invoice, since=NOVEMBER_2, pause=pause, sandbox=stripe_sandbox)
    assert flaws(invoice, result) != []
