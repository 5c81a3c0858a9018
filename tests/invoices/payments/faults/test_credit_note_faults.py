"""Whatever goes wrong with a credit note's requests to Stripe: it is given once.

Each begins with the same rows and the same Stripe, made once.
"""

import datetime as dt
from collections.abc import Iterator

import pytest
from pytest_django import DjangoDbBlocker

from dev.stripe_sandbox.testing import SandboxProcess
from invoices.models import CreditNote, Invoice
from tests.invoices.conftest import used_for_module
from tests.kit.crashes import Call, killed_at_request
from tests.kit.credit_notes import NOVEMBER_5, in_stripe, issue_note, paid, sync
from tests.kit.kept import kept_for_module
from tests.kit.outcome import faults_and_pauses
from tests.kit.personas import make_workspace

pytestmark = pytest.mark.django_db
Begun = tuple[SandboxProcess, Invoice, CreditNote]
FAULTS = faults_and_pauses(dt.timedelta(hours=2), dt.timedelta(hours=26))


@pytest.fixture(scope="module")
def made(
    sandbox_process: SandboxProcess, django_db_setup: None, django_db_blocker: DjangoDbBlocker
) -> Iterator[Begun]:
    """A paid invoice, and a note over 20.00 of it that Stripe has not heard of."""
    with kept_for_module(django_db_blocker), used_for_module(sandbox_process):
        invoice = paid(make_workspace("Acme"))
        note = issue_note(invoice, rest_to="refund")
        sandbox_process.remember()
        yield sandbox_process, invoice, note


@pytest.fixture
def begun(made: Begun) -> Begun:
    made[0].recall()
    return made


REQUESTS = {
    "refund": Call("POST", r"/v1/refunds$"),
    "note": Call("POST", r"/v1/credit_notes$"),
}


@pytest.mark.parametrize(("fault", "pause"), FAULTS)
@pytest.mark.parametrize("name", REQUESTS)
def test_a_request_that_fails_is_made_good_and_nothing_is_given_twice(
    begun: Begun, name: str, fault: str, pause: dt.timedelta
) -> None:
    stripe_sandbox, invoice, note = begun
    call = REQUESTS[name]
    stripe_sandbox.inject(fault, method=call.method, path=call.path)
    assert sync(note) == "waiting"
    stripe_sandbox.advance(int(pause.total_seconds()))
    for round_ in range(3):
        sync(note, NOVEMBER_5 + pause + round_ * dt.timedelta(hours=2))
    assert sync(note) == "done"
    assert in_stripe(invoice) == ("paid", 0, 2000, 2000)


@pytest.mark.parametrize("when", ["before", "after"])
@pytest.mark.parametrize("name", REQUESTS)
def test_a_killed_process_is_followed_by_another(
    begun: Begun, name: str, when: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    _, invoice, note = begun
    with killed_at_request(REQUESTS[name], when=when, monkeypatch=monkeypatch):
        sync(note)
    assert sync(note, NOVEMBER_5 + dt.timedelta(hours=1)) == "done"
    assert in_stripe(invoice) == ("paid", 0, 2000, 2000)
