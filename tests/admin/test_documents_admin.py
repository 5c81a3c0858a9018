"""Finance turns tax on, adds lines by hand, and reads why an invoice is taxed."""

import datetime as dt

import pytest
from django.urls import reverse

from billing.models import ManualItem, TaxNumberCheck, TaxRate, TaxRegistration
from invoices.models import Invoice
from invoices.services.closing import finalize_due_periods
from tests.kit.api import ApiClient
from tests.kit.e_invoices import german_issuer
from tests.kit.personas import make_period, make_workspace
from tests.kit.staff import finance_client, page_after, press
from tests.kit.taxes import FRENCH, make_customer, register

pytestmark = pytest.mark.django_db
OCTOBER_5 = dt.datetime(2026, 10, 5, 12, tzinfo=dt.UTC)
NOVEMBER_3 = dt.datetime(2026, 11, 3, 12, tzinfo=dt.UTC)
DE = {"country": "DE", "region": "", "number": "DE136695976", "is_home": "on"}


def test_a_registration_turns_tax_on_and_what_is_wrong_stands_beside_its_field():
    client, add = finance_client(), reverse("admin:billing_taxregistration_add")

    wrong = client.post(add, DE | {"number": "DE136695977", "starts_on": "2026-01-01"})
    assert "no VAT number of DE" in wrong.content.decode()
    nowhere = client.post(add, DE | {"country": "JP", "number": "1", "starts_on": "2026-01-01"})
    assert "no standard tax rate of JP" in nowhere.content.decode()
    stateless = client.post(add, DE | {"country": "US", "number": "1", "starts_on": "2026-01-01"})
    assert "as TX or Texas" in stateless.content.decode()
    assert client.post(add, DE | {"starts_on": "2026-01-01"}).status_code == 302

    row = TaxRegistration.objects.get()
    assert (row.country, row.is_home, row.consumers_only) == ("DE", True, False)
    change = reverse("admin:billing_taxregistration_change", args=[row.pk])
    client.post(change, {"ends_on": "2027-01-01"})
    row.refresh_from_db()
    assert row.ends_on == dt.date(2027, 1, 1)


def test_a_registration_belongs_to_an_issuing_entity_in_the_admin_and_over_the_api():
    entity = german_issuer(registered=False)
    client, add = finance_client(), reverse("admin:billing_taxregistration_add")
    given = DE | {"starts_on": "2026-01-01", "issuing_entity": str(entity.pk)}
    assert client.post(add, given).status_code == 302
    row = TaxRegistration.objects.get()
    assert row.issuing_entity == entity

    api = ApiClient("billing:read", "billing:write")
    austrian = {"country": "AT", "number": "ATU13585627", "starts_on": "2026-01-01"}
    unknown = api.post("tax-registrations/", {**austrian, "issuing_entity": "XX"})
    assert (unknown.status_code, unknown.json()["code"]) == (400, "unknown_entity")
    assert "issuing_entity" in str(unknown.json()["errors"])
    added = api.post("tax-registrations/", {**austrian, "issuing_entity": "DE"})
    own = api.post("tax-registrations/", austrian)
    assert [each.json()["issuing_entity"] for each in (added, own)] == ["DE", None]
    listed = api.get("tax-registrations/").json()["results"]
    assert sorted(str(each["issuing_entity"]) for each in listed) == ["DE", "DE", "None"]


def test_a_new_rate_ends_the_one_before_it():
    client = finance_client()

    client.post(
        reverse("admin:billing_taxrate_add"),
        {
            "country": "DE",
            "region": "",
            "tax_class": "standard",
            "name": "VAT",
            "percent": "20",
            "starts_on": "2027-01-01",
        },
    )

    rates = TaxRate.objects.filter(country="DE", tax_class="standard").order_by("starts_on")
    assert [(rate.percent, rate.ends_on) for rate in rates] == [
        (19, dt.date(2027, 1, 1)),
        (20, None),
    ]


def test_the_page_of_an_invoice_says_why_it_is_taxed():
    register()
    acme = make_customer()
    make_period(acme, OCTOBER_5)
    finalize_due_periods(now=NOVEMBER_3, workspace_id=acme.pk)
    invoice = Invoice.objects.get(workspace=acme)

    page = finance_client().get(reverse("admin:invoices_invoice_change", args=[invoice.pk]))

    text = page.content.decode()
    assert "VAT 19% on €49.00: €9.31" in text
    assert "From Germany, DE136695976, to Germany, business, no number" in text


def test_twenty_are_given_back_from_the_customers_page(time_machine):
    time_machine.move_to(OCTOBER_5)
    acme = make_workspace()
    make_period(acme, OCTOBER_5)
    client = finance_client()

    line = {"kind": "credit", "description": "Goodwill", "net": "20.00", "tax_class": "standard"}
    for _ in range(2):
        answer = press(
            client,
            "billing_workspace",
            "add_by_hand",
            acme.pk,
            reason="Ticket 4711",
            key="a-click",
            **line,
        )
        assert "Credit of $20.00 is added to the next invoice." in page_after(client, answer)

    item = ManualItem.objects.get()
    assert (item.status, item.asked_by) == ("approved", "fay@finance.test")


def test_a_dialog_that_is_opened_by_its_address_is_a_whole_page():
    acme = make_workspace()
    client = finance_client()
    asks = reverse("admin:billing_workspace_bill_at_once", args=[acme.pk])

    page = client.get(asks).content.decode()

    assert page.count("<main") == page.count("<h1") == 1
    assert "<title> Issue an invoice of its own | Billing</title>" in page
    assert '<a class="fin-button" href="..">Cancel' in page
    refused = client.post(asks, {"description": "Set-up fee"}).content.decode()
    assert "This field is required" in refused
    line = {"description": "Set-up fee", "net": "250.00", "tax_class": "standard"}
    line |= {"_form_submitted": "True", "reason": "Ticket 4711", "key": "a-click"}
    answer = client.post(asks, line)
    assert answer.status_code == 302
    assert Invoice.objects.get().amount == 250


def test_an_invoice_of_its_own_is_issued_from_the_customers_page():
    acme = make_workspace()
    client = finance_client()
    line = {"description": "Set-up fee", "net": "250.00", "tax_class": "standard"}
    asks = reverse("admin:billing_workspace_bill_at_once", args=[acme.pk])
    dialog = client.get(asks, headers={"HX-Request": "true"}).content.decode()
    assert 'name="key"' in dialog
    assert "<main" not in dialog
    for _ in range(2):
        answer = press(
            client,
            "billing_workspace",
            "bill_at_once",
            acme.pk,
            reason="Contract",
            key="a-click",
            **line,
        )
        invoice = Invoice.objects.get()
        assert f"{invoice.number} over $250.00 is issued." in page_after(client, answer)


def test_who_asked_for_a_large_line_cannot_approve_it():
    acme = make_workspace()
    item = ManualItem.objects.create(
        workspace=acme,
        kind="charge",
        description="Training",
        net=900,
        reason="Contract",
        asked_by="fay@finance.test",
    )

    client = finance_client()
    answer = press(client, "billing_manualitem", "approve", item.pk)

    assert "somebody else has to approve it" in page_after(client, answer)
    item.refresh_from_db()
    assert item.status == "waiting"


def test_a_number_that_was_checked_another_way_is_recorded():
    register()
    globex = make_customer("Globex", country="FR", tax_id=FRENCH)

    said = {"valid": "yes", "reason": "Fay, by telephone"}
    press(finance_client(), "billing_taxnumbercheck", "by_hand", globex.pk, **said)

    check = TaxNumberCheck.objects.get()
    assert (check.valid, check.source, check.reference) == (True, "hand", "Fay, by telephone")
