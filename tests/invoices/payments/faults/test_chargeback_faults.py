"""Whatever goes wrong while the evidence against a chargeback is sent: it is submitted once.

Each begins with the same rows and the same Stripe, made once.
"""

import datetime as dt
from collections.abc import Iterator

import pytest
from pytest_django import DjangoDbBlocker

from billing.stripe_accounts import DEFAULT
from dev.stripe_sandbox.testing import SandboxProcess
from invoices.payments.models import Chargeback, ChargebackEvidence
from invoices.payments.services import stripe_client
from tests.invoices.conftest import used_for_module
from tests.kit.chargebacks import FILES, NOVEMBER_5, in_the_sandbox, send, submit, uploaded
from tests.kit.crashes import Call, killed_at_request
from tests.kit.kept import fresh, kept_for_module
from tests.kit.personas import make_workspace

pytestmark = pytest.mark.django_db
UPDATE = Call("POST", r"/v1/disputes/du_[^/]+$")
FIRST_FILE = Call("POST", r"/v1/files$")
LAST_FILE = Call("POST", r"/v1/files$", skip=1)


@pytest.fixture(scope="module")
def made(
    sandbox_process: SandboxProcess, django_db_setup: None, django_db_blocker: DjangoDbBlocker
) -> Iterator[Chargeback]:
    """With evidence that was submitted, and that Stripe has not heard of."""
    with kept_for_module(django_db_blocker), used_for_module(sandbox_process):
        known = in_the_sandbox(make_workspace("Acme"), sandbox_process)
        submit(known)
        sandbox_process.remember()
        yield known


@pytest.fixture
def known(made: Chargeback, sandbox_process: SandboxProcess) -> Chargeback:
    sandbox_process.recall()
    return fresh(made)


@pytest.mark.parametrize(
    ("call", "fault"),
    [
        *((UPDATE, fault) for fault in ("drop_before", "drop_after", "500_before", "500_after")),
        *((UPDATE, fault) for fault in ("saved_500", "429")),
        *((FIRST_FILE, fault) for fault in ("drop_before", "drop_after", "500_after")),
        *((FIRST_FILE, fault) for fault in ("saved_500", "saved_500_after", "429")),
    ],
)
def test_what_fails_is_made_good_and_said_once(
    known: Chargeback, sandbox_process: SandboxProcess, call: Call, fault: str
) -> None:
    sandbox_process.inject(fault, method=call.method, path=call.path)
    assert send(known) == "waiting"
    for hours in (2, 4, 6):
        send(known, NOVEMBER_5 + dt.timedelta(hours=hours))
    assert ChargebackEvidence.objects.get().status == "done"
    found = stripe_client.get(DEFAULT, f"/v1/disputes/{known.stripe_id}")
    assert found["evidence_details"]["submission_count"] == 1
    assert len(uploaded(known)) == len(FILES)


@pytest.mark.parametrize("call", [FIRST_FILE, LAST_FILE, UPDATE], ids=["file", "last file", "text"])
@pytest.mark.parametrize("when", ["before", "after"])
def test_a_process_killed_at_the_request_is_followed_by_one_that_goes_on(
    known: Chargeback, monkeypatch: pytest.MonkeyPatch, when: str, call: Call
) -> None:
    with killed_at_request(call, when=when, monkeypatch=monkeypatch):
        send(known)
    assert send(known, NOVEMBER_5 + dt.timedelta(hours=1)) == "done"
    assert len(uploaded(known)) == len(FILES)
    assert stripe_client.get(DEFAULT, f"/v1/disputes/{known.stripe_id}")["status"] == "under_review"
