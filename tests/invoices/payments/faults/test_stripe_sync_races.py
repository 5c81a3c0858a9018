"""Several processes at the same sync, or at the syncs of one workspace, at the same moment."""

import datetime as dt
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from threading import Barrier

import pytest
from django.db import connection

from dev.stripe_sandbox.testing import SandboxProcess
from invoices.models import Invoice
from invoices.payments.services.stripe_sync import SyncResult, sync_invoice
from tests.kit.invoices import NOVEMBER_2, make_invoice
from tests.kit.outcome import flaws
from tests.kit.personas import make_workspace
from tests.kit.stripe_side import customers, invoices

pytestmark = pytest.mark.django_db(transaction=True)


def at_once(works: Sequence[Callable[[], SyncResult]]) -> list[SyncResult]:
    """Run each in a thread with a connection of its own, all let go together."""
    gate = Barrier(len(works))

    def run(work: Callable[[], SyncResult]) -> SyncResult:
        try:
            gate.wait()
            return work()
        finally:
            connection.close()

    with ThreadPoolExecutor(len(works)) as pool:
        return list(pool.map(run, works))


def sync(invoice: Invoice, now: dt.datetime = NOVEMBER_2) -> SyncResult:
    return sync_invoice(invoice_id=invoice.pk, now=now)


def test_of_six_that_sync_one_invoice_one_does_and_it_is_billed_once(
    stripe_sandbox: SandboxProcess,
) -> None:
    invoice = make_invoice(make_workspace("Acme"), status="draft", collection_method="send_invoice")
    results = at_once([lambda: sync(invoice)] * 6)
    (done,) = {result.done for result in results if not result.busy}
    assert done
    assert flaws(invoice, sync(invoice)) == []


def test_two_invoices_of_a_workspace_make_one_customer(stripe_sandbox: SandboxProcess) -> None:
    acme = make_workspace("Acme")
    both = [
        make_invoice(acme, status="draft", month=month, collection_method="send_invoice")
        for month in (9, 10)
    ]
    at_once([lambda each=each: sync(each) for each in both])  # type: ignore[misc]
    for each in both:
        assert sync(each, NOVEMBER_2 + dt.timedelta(hours=1)).done
    assert len(customers()) == 1
    assert [made["total"] for made in invoices()] == [6134, 6134]
