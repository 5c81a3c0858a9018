import datetime as dt
from uuid import uuid4

import pytest
from django.test import Client

from tests.kit.api import ApiClient, pages_of, refusal
from tests.kit.invoices import issue_invoice
from tests.kit.personas import make_period, make_workspace
from tests.kit.usage import make_usage

pytestmark = pytest.mark.django_db


def at(day: int, month: int = 10) -> dt.datetime:
    return dt.datetime(2026, month, day, 12, tzinfo=dt.UTC)


def october(owner):
    """An invoice of 61.34: the fee, 12.336 of minutes and a little storage."""
    make_usage(owner, at(5), "1028", "0.01")
    make_usage(owner, at(6), "0.003", "1", resource_type="storage", provider="aws")
    return issue_invoice(make_period(owner, at(5)))


@pytest.fixture
def acme():
    return make_workspace("Acme")


def test_an_invoice_is_shown_with_items_that_add_up(acme):
    invoice = october(acme)
    caller = ApiClient("billing:read")

    shown = caller.get(f"invoices/{invoice.pk}/").json()

    items = shown.pop("items")
    assert shown == {
        "id": str(invoice.pk),
        "workspace_id": str(acme.pk),
        "kind": "period",
        "billing_period_id": str(invoice.billing_period_id),
        "corrects_id": None,
        "invoice_number": "INV-2026-000001",
        "net": "61.34",
        "tax": "0.00",
        "amount": "61.34",
        "exact_amount": "61.3396000000",
        "prices_include_tax": False,
        "amount_paid": "0.00",
        "amount_credited": "0.00",
        "credit_used": "0.00",
        "amount_due": "61.34",
        "amount_refunded": "0.00",
        "currency": "USD",
        "status": "open",
        "collection_method": "charge_automatically",
        "issued_at": "2026-11-01T23:00:00Z",
        "due_date": "2026-11-16",
        "paid_at": None,
        "voided_at": None,
        "void_reason": None,
        "replaces_id": None,
        "replaced_by_id": None,
        "unbilled_reason": None,
        "stripe_invoice_id": invoice.stripe_invoice_id,
        "hosted_invoice_url": None,
        "taxes": [],
        "tax_decision": None,
    }
    assert [item.pop("id") for item in items] == [str(i.pk) for i in invoice.items.all()]
    assert items == [
        {
            "kind": "subscription",
            "description": "Monthly Subscription",
            "resource_type": None,
            "usage_month": None,
            "quantity": "1.000000",
            "unit_price": "49.0000000000",
            "exact_amount": "49.0000000000",
            "adjustment": "0.0000000000",
            "meters": [],
            "amount": "49.00",
            "net": "49.00",
            "tax_category": None,
            "tax_rate": None,
            "manual_item_id": None,
        },
        {
            "kind": "usage",
            "description": "Call Minutes",
            "resource_type": "call_minutes",
            "usage_month": None,
            "quantity": "1028.000000",
            "unit_price": "0.0120000000",
            "exact_amount": "12.3360000000",
            "adjustment": "0.0000000000",
            "meters": [],
            "amount": "12.34",
            "net": "12.34",
            "tax_category": None,
            "tax_rate": None,
            "manual_item_id": None,
        },
        {
            "kind": "usage",
            "description": "Recording Storage",
            "resource_type": "storage",
            "usage_month": None,
            "quantity": "0.003000",
            "unit_price": "1.2000000000",
            "exact_amount": "0.0036000000",
            "adjustment": "0.0000000000",
            "meters": [],
            "amount": "0.00",
            "net": "0.00",
            "tax_category": None,
            "tax_rate": None,
            "manual_item_id": None,
        },
    ]


def test_invoices_are_listed_and_filtered_in_three_queries(acme, django_assert_num_queries):
    first = issue_invoice(make_period(acme, at(5, month=9)), status="paid")
    second = october(acme)
    third = issue_invoice(make_period(make_workspace("Globex"), at(5)))
    caller = ApiClient("billing:read")

    def found(**query):
        return [row["id"] for row in caller.get("invoices/", **query).json()["results"]]

    assert found(workspace_id=acme.pk) == [str(second.pk), str(first.pk)]
    assert found(status="paid") == [str(first.pk)]
    assert found(invoice_number=third.number) == [str(third.pk)]
    assert found(billing_period_id=second.billing_period_id) == [str(second.pk)]
    assert found(issued_before="2026-10-15T00:00:00Z") == [str(first.pk)]
    assert refusal(caller.get("invoices/", status="late")) == (400, "invalid_parameter")
    with django_assert_num_queries(3):
        assert len(found()) == 3
    assert [len(page) for page in pages_of(caller, "invoices/", limit=2)] == [2, 1]


def test_an_invoice_in_yen_has_no_decimals():
    globex = make_workspace("Globex", currency="JPY")
    make_usage(globex, at(5), "100", "1.01")
    invoice = issue_invoice(make_period(globex, at(5)))

    shown = ApiClient("billing:read").get(f"invoices/{invoice.pk}/").json()

    assert (shown["amount"], shown["exact_amount"]) == ("7121", "7121.2000000000")
    assert [item["amount"] for item in shown["items"]] == ["7000", "121"]


def test_the_pdf_is_a_pdf(acme):
    invoice = october(acme)

    answer = ApiClient("billing:read").get(f"invoices/{invoice.pk}/pdf/")

    assert answer["Content-Type"] == "application/pdf"
    assert answer["Content-Disposition"] == 'inline; filename="INV-2026-000001.pdf"'
    assert answer.content.startswith(b"%PDF-")


def test_a_line_is_proved_by_its_records(acme):
    invoice = october(acme)
    make_usage(acme, at(5, month=11), "99", "1")
    minutes = invoice.items.get(resource_type="call_minutes")
    caller = ApiClient("billing:read")

    proof = caller.get(f"invoices/{invoice.pk}/items/{minutes.pk}/records/").json()

    assert [row["final_cost"] for row in proof["results"]] == ["12.3360000000"]
    assert proof["next"] is None
    assert proof["item"]["description"] == "Call Minutes"
    assert proof["record_count"] == 1
    assert (proof["exact_amount"], proof["amount"], proof["residual"]) == (
        "12.3360000000",
        "12.34",
        "0.0040000000",
    )


def test_a_late_line_is_proved_by_the_late_records_of_its_month(acme):
    september = make_period(acme, at(5, month=9))
    issue_invoice(september)
    mid_october = at(15)
    for day in (27, 28, 29):
        make_usage(acme, at(day, month=9), "1", "0.5", now=mid_october)
    invoice = october(acme)
    line = invoice.items.get(kind="late_usage")
    path = f"invoices/{invoice.pk}/items/{line.pk}/records/"

    pages = pages_of(ApiClient("billing:read"), path, limit=2)

    assert [row["occurred_at"] for page in pages for row in page] == [
        "2026-09-29T12:00:00Z",
        "2026-09-28T12:00:00Z",
        "2026-09-27T12:00:00Z",
    ]
    assert all(row["late"] for page in pages for row in page)
    proof = ApiClient("billing:read").get(path).json()
    assert (proof["exact_amount"], proof["residual"]) == ("1.8000000000", "0.0000000000")


def test_a_subscription_line_has_no_records(acme):
    invoice = october(acme)
    line = invoice.items.get(kind="subscription")

    proof = ApiClient("billing:read").get(f"invoices/{invoice.pk}/items/{line.pk}/records/").json()

    assert proof["results"] == []
    assert (proof["exact_amount"], proof["residual"]) == ("49.0000000000", "0.0000000000")


def test_another_workspaces_invoices_do_not_exist(acme):
    mine, theirs = october(acme), october(make_workspace("Globex"))
    their_line = theirs.items.get(kind="subscription").pk
    bound = ApiClient(workspace_id=acme.pk)
    member = Client()
    member.force_login(acme.members.get())

    def paths(invoice, line):
        root = f"invoices/{invoice}/"
        return [root, f"{root}pdf/", f"{root}items/{line}/records/"]

    for path in paths(mine.pk, mine.items.get(kind="subscription").pk):
        assert bound.get(path).status_code == 200
        assert member.get(f"/api/v1/{path}").status_code == 200
    for path in [
        *paths(theirs.pk, their_line),
        *paths(uuid4(), uuid4()),
        f"invoices/{mine.pk}/items/{their_line}/records/",
    ]:
        assert refusal(bound.get(path)) == (404, "not_found")
        assert refusal(member.get(f"/api/v1/{path}")) == (404, "not_found")
    for listed in (bound.get("invoices/"), member.get("/api/v1/invoices/")):
        assert [row["id"] for row in listed.json()["results"]] == [str(mine.pk)]


def test_invoices_need_the_billing_scope():
    caller = ApiClient("usage:read", "usage:write", "workspaces:write", "billing:write")

    for path in ("", f"{uuid4()}/", f"{uuid4()}/pdf/", f"{uuid4()}/items/{uuid4()}/records/"):
        assert refusal(caller.get(f"invoices/{path}")) == (403, "missing_scope")
