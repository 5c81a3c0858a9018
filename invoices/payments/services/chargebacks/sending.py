"""Sending evidence to Stripe: once, for Stripe takes one answer and passes it on to the bank.

First its files, each once, then the evidence that refers to them.
"""

import datetime as dt
from functools import partial
from uuid import UUID

from django.db import transaction

from billing.errors import Conflict, NotFound
from billing.models import DurableWork
from billing.services.notifications import notify_finance
from billing.services.work import Busy, Claim, LeaseLost, WorkKind
from billing.stripe_accounts import AccountName
from invoices.models import InvoiceEvent
from invoices.payments.models import Chargeback, ChargebackEvidence, ChargebackFile
from invoices.payments.services import stripe_client
from invoices.payments.services.chargebacks.evidence import evidence_for
from invoices.payments.services.chargebacks.files import files_for
from invoices.payments.services.stripe_client import StripeObject
from invoices.payments.services.stripe_errors import StripeRefused, StripeUnavailable
from invoices.payments.services.stripe_requests import perform
from invoices.services.history import locked_invoice, record

# Tried until Stripe answers: there is a deadline, and Stripe says no once it has passed.
EVIDENCE = WorkKind(
    ChargebackEvidence,
    task="payments.send_chargeback_evidence",
    first_wait=dt.timedelta(seconds=8),
    longest_wait=dt.timedelta(minutes=30),
)


class NotAnswerable(Conflict):
    """The bank does not wait for an answer, or has one."""

    code = "chargeback_not_answerable"


def submit_evidence(
    *, chargeback_id: UUID, words: str, asked_by: str, now: dt.datetime
) -> ChargebackEvidence:
    """Freeze what speaks for us, its PDFs too, with `words` of whoever sends it, and have it sent;
    again it is the same. Raises `NotFound` and `NotAnswerable`."""
    with transaction.atomic():
        chargeback = (
            Chargeback.objects.select_for_update(of=("self",))
            .select_related("invoice__billing_period", "workspace")
            .filter(pk=chargeback_id)
            .first()
        )
        if chargeback is None:
            raise NotFound(f"There is no chargeback {chargeback_id}.")
        known = ChargebackEvidence.objects.filter(chargeback=chargeback).first()
        if known is not None:
            return known
        if not chargeback.needs_response or (chargeback.due_by and chargeback.due_by <= now):
            raise NotAnswerable(f"{chargeback} does not wait for an answer.")
        chargeback.invoice.workspace = chargeback.workspace
        evidence = evidence_for(chargeback)
        if words.strip():
            said = f"{words.strip()}\n\n{evidence['uncategorized_text']}"
            evidence["uncategorized_text"] = said[:20_000]
        sent = ChargebackEvidence.objects.create(
            chargeback=chargeback,
            evidence=evidence,
            asked_by=asked_by[:254],
            requested_at=now,
            next_attempt_at=now,
        )
        ChargebackFile.objects.bulk_create(
            _file(sent, field, content)
            for field, content in files_for(chargeback, evidence, now=now).items()
        )
        EVIDENCE.start(sent.pk)
        return sent


def _file(sent: ChargebackEvidence, field: ChargebackFile.Field, content: bytes) -> ChargebackFile:
    file = ChargebackFile(evidence=sent, field=field, content=content)
    number = sent.chargeback.invoice.number
    file.filename = f"{number}-{field.label.lower().replace(' ', '-')}-{file.pk.hex[:12]}.pdf"
    return file


def send_evidence(*, chargeback_id: UUID, now: dt.datetime) -> None:
    """Send it, as far as that goes now; again changes nothing."""
    try:
        with EVIDENCE.claimed(chargeback_id, now) as claim:
            _send(claim)
    except (Busy, LeaseLost):
        return


def _send(claim: Claim[ChargebackEvidence]) -> None:
    sent = claim.row
    chargeback = sent.chargeback
    path = f"/v1/disputes/{chargeback.stripe_id}"
    try:
        for file in sent.files.all():
            if file.done_at is None:
                _upload(file, claim)
        perform(
            sent,
            account=chargeback.invoice.stripe_account,
            lease=claim.lease,
            clock=claim.clock,
            key=f"evidence/{chargeback.pk}",
            path=path,
            params=lambda: {
                "evidence": {
                    **sent.evidence,
                    **dict(sent.files.values_list("field", "stripe_id")),
                },
                "submit": True,
                "metadata": {"chargeback_id": str(chargeback.pk)},
            },
            look_up=lambda: _sent_before(path, chargeback),
        )
    except StripeUnavailable as error:
        claim.retry_later(error.detail, at_least=error.retry_after)
    except StripeRefused as error:
        claim.block(DurableWork.Reason.REFUSED, error.detail)
        _tell_refused(chargeback, error.detail, claim.clock())
    else:
        _note_sent(claim)


def _upload(file: ChargebackFile, claim: Claim[ChargebackEvidence]) -> None:
    made = perform(
        file,
        account=claim.row.chargeback.invoice.stripe_account,
        lease=claim.lease,
        clock=claim.clock,
        key=f"evidence-file/{file.pk}",
        path="/v1/files",
        params=lambda: {"purpose": "dispute_evidence"},
        look_up=lambda: _uploaded_before(claim.row.chargeback.invoice.stripe_account, file),
        post=partial(stripe_client.upload, filename=file.filename, content=bytes(file.content)),
    )
    now = claim.clock()
    with transaction.atomic():
        claim.lease.renew(now)
        file.stripe_id, file.done_at = made["id"], now
        file.save(update_fields=["stripe_id", "done_at"])


def _uploaded_before(account: AccountName, file: ChargebackFile) -> StripeObject | None:
    """What an earlier try has uploaded: files have no metadata, but each of ours a name."""
    assert file.started_at is not None
    # A day for clocks that differ.
    since = int(file.started_at.timestamp()) - 86_400
    listed = stripe_client.every(
        account, "/v1/files", {"purpose": "dispute_evidence", "created": {"gte": since}}
    )
    return next((each for each in listed if each.get("filename") == file.filename), None)


def _sent_before(path: str, chargeback: Chargeback) -> StripeObject | None:
    """The dispute, where an earlier try has put our answer to it."""
    found = stripe_client.get(chargeback.invoice.stripe_account, path)
    ours = (found.get("metadata") or {}).get("chargeback_id") == str(chargeback.pk)
    submitted = (found.get("evidence_details") or {}).get("submission_count") or 0
    return found if ours and submitted else None


def _note_sent(claim: Claim[ChargebackEvidence]) -> None:
    sent = claim.row
    now = claim.clock()
    with locked_invoice(sent.chargeback.invoice_id) as invoice:
        claim.lease.renew(now)
        sent.done_at = now
        sent.save(update_fields=["done_at"])
        record(
            invoice,
            InvoiceEvent.Kind.DISPUTE,
            at=now,
            source=sent.asked_by,
            detail="Evidence sent to Stripe.",
            key=f"evidence:{sent.chargeback.stripe_id}",
        )
    claim.done()


def _tell_refused(chargeback: Chargeback, detail: str, now: dt.datetime) -> None:
    notify_finance(
        key=f"chargeback:{chargeback.stripe_id}:refused",
        subject=f"Stripe refuses the evidence for invoice {chargeback.invoice.number}",
        paragraphs=[detail, "Put it right under Waiting work, or answer in Stripe's dashboard."],
        about=chargeback,
        now=now,
    )
