"""Going on with a sync until it is done, and what must then be found in Stripe."""

import datetime as dt
from collections import Counter

from billing.services import work
from billing.stripe_accounts import DEFAULT
from dev.stripe_sandbox.testing import SandboxProcess
from invoices.models import Invoice
from invoices.payments.services import stripe_client
from invoices.payments.services.stripe_sync import SyncResult, sync_invoice
from tests.kit.stripe_side import customers, invoices, lines

AT_ONCE = dt.timedelta(0)
# Stripe forgets idempotency keys after 24 hours.
A_DAY_LATER = dt.timedelta(hours=25)
# A request that did nothing and left nothing under its key is the same later: the longer pause adds
# to one of these what it adds to the others.
NOTHING_HAPPENED = ("500_before", "drop_before", "429")
SOMETHING_HAPPENED = ("drop_after", "500_after", "saved_500")
LINES = [("Monthly Subscription", 4900), ("Call Minutes (812.5 × 0.0151876923 USD)", 1234)]


def faults_and_pauses(*pauses: dt.timedelta) -> list[tuple[str, dt.timedelta]]:
    """Ways in which a request fails, and how long after it things go on."""
    shortest = min(pauses)
    return [
        (fault, pause)
        for fault in (*NOTHING_HAPPENED, *SOMETHING_HAPPENED)
        for pause in pauses
        if pause == shortest or fault not in NOTHING_HAPPENED[1:]
    ]


def go_on(
    invoice: Invoice, *, since: dt.datetime, pause: dt.timedelta, sandbox: SandboxProcess
) -> SyncResult:
    """Sync again after `pause`, on all clocks, and then whenever it is time, until it is done."""
    sandbox.advance(int(pause.total_seconds()))
    # A killed process leaves its lease behind, and a failed one the time of its next try.
    now = since + pause + work.lease_duration() + dt.timedelta(hours=1)
    for _ in range(8):
        result = sync_invoice(invoice_id=invoice.pk, now=now)
        if result.done or result.next_attempt_at is None:
            break
        now = max(now, result.next_attempt_at) + dt.timedelta(seconds=1)
    return result


def flaws(invoice: Invoice, result: SyncResult) -> list[str]:
    """All that is not as it must be: one customer, one invoice, right lines, one finalization."""
    found = []
    if not result.done:
        found.append(f"the sync is {result.status}: {result.detail}")
    ours = [
        each
        for each in customers()
        if each["metadata"].get("workspace_id") == str(invoice.workspace_id)
    ]
    if len(ours) != 1:
        found.append(f"{len(ours)} customers")
    made = invoices()
    if len(made) != 1:
        return [*found, f"{len(made)} invoices"]
    if made[0]["total"] != 6134:
        found.append(f"a total of {made[0]['total']}")
    if lines(made[0]["id"]) != LINES:
        found.append(f"the lines {lines(made[0]['id'])}")
    events = Counter(event["type"] for event in stripe_client.every(DEFAULT, "/v1/events"))
    if events["invoice.finalized"] != 1:
        found.append(f"{events['invoice.finalized']} finalizations")
    charges_automatically = invoice.collection_method == "charge_automatically"
    if events["charge.succeeded"] != charges_automatically:
        found.append(f"{events['charge.succeeded']} charges")
    expected = "paid" if charges_automatically else "open"
    invoice.refresh_from_db()
    here = (invoice.status, invoice.stripe_invoice_id)
    if here != (expected, made[0]["id"]) or made[0]["status"] != expected:
        found.append(f"{made[0]['status']} in Stripe and {invoice.status} here")
    return found
