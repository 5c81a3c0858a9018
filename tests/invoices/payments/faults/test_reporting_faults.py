"""Whatever goes wrong with telling Stripe of a payment: it counts once.

Each begins with the same rows and the same Stripe, made once.
"""

import datetime as dt
from collections.abc import Iterator

import pytest
from pytest_django import DjangoDbBlocker

from billing.stripe_accounts import DEFAULT
from dev.stripe_sandbox.testing import SandboxProcess
from invoices.models import Invoice
from invoices.payments.services import stripe_client
from tests.invoices.conftest import used_for_module
from tests.kit.crashes import Call, killed_at_request
from tests.kit.kept import kept_for_module
from tests.kit.outcome import faults_and_pauses
from tests.kit.payments import NOVEMBER_5, in_stripe, pay, report_all, sent
from tests.kit.personas import make_workspace

pytestmark = pytest.mark.django_db
Begun = tuple[SandboxProcess, Invoice]
FAULTS = faults_and_pauses(dt.timedelta(hours=2), dt.timedelta(hours=26))
REPORTING = {
    "record": Call("POST", r"/v1/payment_records/report_payment$"),
    "attachment": Call("POST", r"/attach_payment$"),
}


@pytest.fixture(scope="module")
def made(
    sandbox_process: SandboxProcess, django_db_setup: None, django_db_blocker: DjangoDbBlocker
) -> Iterator[Begun]:
    """An invoice that was sent, and 20.00 paid for it of which Stripe has not heard."""
    with kept_for_module(django_db_blocker), used_for_module(sandbox_process):
        acme = make_workspace("Acme")
        invoice = sent(acme)
        pay(acme, "20.00", invoice)
        sandbox_process.remember()
        yield sandbox_process, invoice


@pytest.fixture
def begun(made: Begun) -> Begun:
    made[0].recall()
    return made


@pytest.mark.parametrize(("fault", "pause"), FAULTS)
@pytest.mark.parametrize("name", REPORTING)
def test_a_report_that_fails_is_made_good_and_counts_once(
    begun: Begun, name: str, fault: str, pause: dt.timedelta
) -> None:
    stripe_sandbox, invoice = begun
    call = REPORTING[name]
    stripe_sandbox.inject(fault, method=call.method, path=call.path)
    assert report_all() == ["waiting"]
    stripe_sandbox.advance(int(pause.total_seconds()))
    for round_ in range(3):
        report_all(NOVEMBER_5 + pause + round_ * dt.timedelta(hours=2))
    assert report_all() == ["done"]
    assert in_stripe(invoice) == ("open", 2000, 4134)
    assert len(list(stripe_client.every(DEFAULT, "/v1/payment_records"))) == 1


@pytest.mark.parametrize("when", ["before", "after"])
@pytest.mark.parametrize("name", REPORTING)
def test_a_process_killed_at_a_report_is_followed_by_another(
    begun: Begun, name: str, when: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    _, invoice = begun
    with killed_at_request(REPORTING[name], when=when, monkeypatch=monkeypatch):
        report_all()
    assert report_all(NOVEMBER_5 + dt.timedelta(hours=1)) == ["done"]
    assert in_stripe(invoice) == ("open", 2000, 4134)
    assert len(list(stripe_client.every(DEFAULT, "/v1/payment_records"))) == 1
