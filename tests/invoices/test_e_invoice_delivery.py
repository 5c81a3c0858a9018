"""E-invoices brought to their receivers: once, and again where that failed."""

import datetime as dt
from pathlib import Path

import pytest
from pytest_django import Settings

from billing.services import work
from invoices.einvoices import delivery
from invoices.models import EInvoice, EInvoiceDelivery
from invoices.services.e_invoice_delivery import DELIVERIES, deliver_e_invoice
from tests.kit.e_invoices import GERMAN_DETAILS, NOVEMBER_3, closed_october, german_issuer
from tests.kit.taxes import make_customer

pytestmark = pytest.mark.django_db


@pytest.fixture
def dropped(settings: Settings, tmp_path: Path) -> Path:
    settings.E_INVOICE_DELIVERY = "invoices.einvoices.delivery.FileDrop"
    settings.E_INVOICE_DIRECTORY = str(tmp_path / "out")
    return tmp_path / "out"


def test_an_e_invoice_is_delivered_once_also_by_a_process_that_was_killed(
    dropped: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    german_issuer()
    invoice = closed_october(make_customer("Acme", **GERMAN_DETAILS))
    pk = invoice.e_invoice.pk
    real = delivery.FileDrop.send

    class Killed(BaseException):
        pass

    def send_and_die(self: delivery.FileDrop, e_invoice: EInvoice) -> str:
        real(self, e_invoice)
        raise Killed

    monkeypatch.setattr(delivery.FileDrop, "send", send_and_die)
    with pytest.raises(Killed):
        deliver_e_invoice(e_invoice_id=pk, now=NOVEMBER_3)
    monkeypatch.setattr(delivery.FileDrop, "send", lambda *given: pytest.fail("sent twice"))
    assert deliver_e_invoice(e_invoice_id=pk, now=NOVEMBER_3) is False
    after = NOVEMBER_3 + work.lease_duration() + dt.timedelta(seconds=1)
    assert deliver_e_invoice(e_invoice_id=pk, now=after) is True
    row = EInvoiceDelivery.objects.get()
    (file,) = dropped.iterdir()
    assert (row.status, row.reference) == ("done", file.name)
    assert file.read_text(encoding="utf-8") == invoice.e_invoice.xml


def test_a_delivery_waits_for_a_side_that_is_down_and_stops_where_it_is_refused(
    dropped: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    german_issuer()
    pk = closed_october(make_customer("Acme", **GERMAN_DETAILS)).e_invoice.pk

    def down(*given: object) -> str:
        raise delivery.Unavailable("503")

    def refused(*given: object) -> str:
        raise delivery.DocumentRejected("unknown receiver")

    monkeypatch.setattr(delivery.FileDrop, "send", down)
    assert deliver_e_invoice(e_invoice_id=pk, now=NOVEMBER_3) is False
    row = EInvoiceDelivery.objects.get()
    assert (row.status, row.attempts, row.last_error) == ("waiting", 1, "503")
    monkeypatch.setattr(delivery.FileDrop, "send", refused)
    later = NOVEMBER_3 + dt.timedelta(hours=1)
    assert deliver_e_invoice(e_invoice_id=pk, now=later) is False
    row.refresh_from_db()
    assert (row.status, row.blocked_reason) == ("blocked", "refused")
    assert row.about()[0].startswith("E-invoice of INV-DE-2026-")
    DELIVERIES.retry_now(pk, later)
    monkeypatch.undo()
    assert deliver_e_invoice(e_invoice_id=pk, now=later) is True
