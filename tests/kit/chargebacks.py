"""Chargebacks: as Stripe tells of them, in the sandbox, and answered."""

import datetime as dt

from billing.models import Workspace
from billing.stripe_accounts import DEFAULT
from dev.stripe_sandbox.testing import SandboxProcess
from invoices.models import Invoice
from invoices.payments.models import Chargeback, ChargebackEvidence
from invoices.payments.services import stripe_client
from invoices.payments.services.chargebacks import note_chargeback, send_evidence, submit_evidence
from invoices.payments.services.customers import ensure_customer
from invoices.payments.services.reconciliation import reconcile
from invoices.payments.services.stripe_sync import sync_invoice
from tests.kit.invoices import NOVEMBER_2, make_invoice
from tests.kit.stripe_side import give_card

NOVEMBER_5 = dt.datetime(2026, 11, 5, 12, tzinfo=dt.UTC)
NOVEMBER_14 = dt.datetime(2026, 11, 14, 12, tzinfo=dt.UTC)
FILES = {"receipt", "service_documentation"}


def charged_back(invoice: Invoice, status: str = "needs_response", **facts: object) -> Chargeback:
    known = note_chargeback(
        **{
            "invoice_id": invoice.pk,
            "stripe_id": "du_1",
            "amount": invoice.amount,
            "status": status,
            "reason": "fraudulent",
            "charge_id": "ch_1",
            "due_by": NOVEMBER_14,
            "opened_at": NOVEMBER_5,
            "now": NOVEMBER_5,
            **facts,
        }  # type: ignore[arg-type]
    )
    assert known is not None
    return known


def in_the_sandbox(acme: Workspace, sandbox: SandboxProcess) -> Chargeback:
    """A paid invoice whose charge is disputed in the sandbox."""
    give_card(ensure_customer(workspace_id=acme.pk, account=DEFAULT, now=NOVEMBER_2))
    invoice = make_invoice(acme, status="draft")
    assert sync_invoice(invoice_id=invoice.pk, now=NOVEMBER_2).done
    assert reconcile(now=NOVEMBER_2) == []
    charge = next(stripe_client.every(DEFAULT, "/v1/charges"))
    dispute = sandbox.open_dispute(charge["id"])
    return charged_back(invoice, stripe_id=dispute["id"], charge_id=charge["id"])


def send(chargeback: Chargeback, now: dt.datetime = NOVEMBER_5) -> str:
    send_evidence(chargeback_id=chargeback.pk, now=now)
    return ChargebackEvidence.objects.get(pk=chargeback.pk).status


def uploaded(chargeback: Chargeback) -> list[str]:
    """The names of the files in Stripe, each of which its evidence refers to."""
    found = stripe_client.get(DEFAULT, f"/v1/disputes/{chargeback.stripe_id}")
    files = list(stripe_client.every(DEFAULT, "/v1/files"))
    assert {each["id"] for each in files} == {found["evidence"][field] for field in FILES}
    return sorted(each["filename"] for each in files)


def submit(chargeback: Chargeback, now: dt.datetime = NOVEMBER_5) -> ChargebackEvidence:
    return submit_evidence(
        chargeback_id=chargeback.pk, words="We spoke on the phone.", asked_by="fay", now=now
    )
