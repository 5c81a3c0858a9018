from decimal import Decimal

import pytest
import stripe

from dev.stripe_sandbox.testing import SandboxProcess
from tests.kit.sandbox_drafts import default_method, draft, event_types, opened


def test_a_draft_totals_its_items(client: stripe.StripeClient, acme: stripe.Customer) -> None:
    invoice = draft(client, acme.id, [4900, 1234, -34])
    assert (invoice.status, invoice.total, invoice.amount_due) == ("draft", 6100, 6100)
    assert [line.amount for line in invoice.lines] == [4900, 1234, -34]
    assert [line.metadata["line"] for line in invoice.lines] == ["1", "2", "3"]


def test_items_are_listed_by_invoice_and_deleted_from_a_draft(
    client: stripe.StripeClient, acme: stripe.Customer
) -> None:
    invoice = draft(client, acme.id, [4900, 1234])
    draft(client, acme.id, [1])
    items = client.v1.invoice_items.list({"invoice": invoice.id})
    assert [item.amount for item in items] == [1234, 4900]
    client.v1.invoice_items.delete(items.data[0].id)
    assert client.v1.invoices.retrieve(invoice.id).total == 4900


def test_an_items_change_is_its_lines_change(
    client: stripe.StripeClient, acme: stripe.Customer
) -> None:
    invoice = draft(client, acme.id, [4900])
    [item] = client.v1.invoice_items.list({"invoice": invoice.id}).data
    client.v1.invoice_items.update(
        item.id, {"unit_amount_decimal": Decimal("12.5"), "quantity": 3, "description": "Minutes"}
    )
    after = client.v1.invoices.retrieve(invoice.id)
    assert after.total == 38
    assert [(line.amount, line.description) for line in after.lines] == [(38, "Minutes")]


def test_a_finalized_invoice_is_numbered_and_no_longer_changes(
    client: stripe.StripeClient, acme: stripe.Customer
) -> None:
    first, second = opened(client, acme.id), opened(client, acme.id)
    assert first.status == "open"
    assert first.hosted_invoice_url
    assert first.status_transitions.finalized_at
    assert (str(first.number)[-5:], str(second.number)[-5:]) == ("-0001", "-0002")
    with pytest.raises(stripe.InvalidRequestError, match="no longer editable"):
        client.v1.invoice_items.create(
            {"customer": acme.id, "invoice": first.id, "amount": 1, "currency": "usd"}
        )
    with pytest.raises(stripe.InvalidRequestError, match="already finalized"):
        client.v1.invoices.finalize_invoice(first.id)
    with pytest.raises(stripe.InvalidRequestError, match="can't be updated"):
        client.v1.invoices.update(first.id, {"description": "too late"})


def test_a_number_of_our_own_is_taken_once_and_freed_with_its_draft(
    client: stripe.StripeClient, acme: stripe.Customer
) -> None:
    first = draft(client, acme.id, number="INV-2026-000001")
    with pytest.raises(stripe.InvalidRequestError, match="exists already"):
        draft(client, acme.id, number="INV-2026-000001")
    with pytest.raises(stripe.InvalidRequestError, match="at most 26 characters"):
        draft(client, acme.id, number="INVOICES-OF-ACME-2026-000001")
    client.v1.invoices.delete(first.id)
    again = draft(client, acme.id, number="INV-2026-000001")
    assert client.v1.invoices.finalize_invoice(again.id).number == "INV-2026-000001"


def test_paying_charges_the_default_card_and_tells_it_in_order(
    client: stripe.StripeClient, acme: stripe.Customer
) -> None:
    invoice = client.v1.invoices.pay(opened(client, acme.id).id, {"expand": ["payments"]})
    assert (invoice.status, invoice.amount_paid, invoice.amount_remaining) == ("paid", 6134, 0)
    assert invoice.status_transitions.paid_at
    assert invoice.payments
    payment = invoice.payments.data[0]
    intent = client.v1.payment_intents.retrieve(str(payment.payment.payment_intent))
    charge = client.v1.charges.retrieve(str(intent.latest_charge))
    assert (payment.status, intent.status, charge.status) == ("paid", "succeeded", "succeeded")
    assert charge.amount == 6134
    told = event_types(client)
    assert told.index("charge.succeeded") < told.index("invoice.paid")


def test_a_declined_card_is_402_leaves_the_invoice_open_and_is_told(
    client: stripe.StripeClient, globex: stripe.Customer
) -> None:
    invoice = opened(client, globex.id)
    with pytest.raises(stripe.CardError, match="declined") as declined:
        client.v1.invoices.pay(invoice.id)
    assert (declined.value.http_status, declined.value.code) == (402, "card_declined")
    after = client.v1.invoices.retrieve(invoice.id)
    assert (after.status, after.attempt_count, after.amount_remaining) == ("open", 1, 6134)
    assert "invoice.payment_failed" in event_types(client)
    assert client.v1.charges.list({"customer": globex.id}).data[0].failure_code == "card_declined"


def test_another_card_pays_what_the_default_one_did_not(
    client: stripe.StripeClient, globex: stripe.Customer
) -> None:
    invoice = opened(client, globex.id)
    with pytest.raises(stripe.CardError):
        client.v1.invoices.pay(invoice.id)
    method = client.v1.payment_methods.attach("pm_card_mastercard", {"customer": globex.id})
    assert client.v1.invoices.pay(invoice.id, {"payment_method": method.id}).status == "paid"


def test_finalizing_with_auto_advance_charges_at_once(
    client: stripe.StripeClient, acme: stripe.Customer, globex: stripe.Customer
) -> None:
    paid = client.v1.invoices.finalize_invoice(draft(client, acme.id).id, {"auto_advance": True})
    failed = client.v1.invoices.finalize_invoice(
        draft(client, globex.id).id, {"auto_advance": True}
    )
    assert (paid.status, failed.status, failed.attempt_count) == ("paid", "open", 1)
    assert {"invoice.paid", "invoice.payment_failed"} <= set(event_types(client))


def test_an_invoice_to_be_sent_has_a_due_date(
    client: stripe.StripeClient, acme: stripe.Customer
) -> None:
    with pytest.raises(stripe.InvalidRequestError, match="days_until_due"):
        client.v1.invoices.create({"customer": acme.id, "collection_method": "send_invoice"})
    invoice = opened(client, acme.id, collection_method="send_invoice", days_until_due=14)
    assert invoice.due_date == invoice.created + 14 * 86_400
    client.v1.invoices.send_invoice(invoice.id)
    assert event_types(client)[-1] == "invoice.sent"


def test_marking_paid_out_of_band_charges_nothing(
    client: stripe.StripeClient, acme: stripe.Customer
) -> None:
    invoice = client.v1.invoices.pay(opened(client, acme.id).id, {"paid_out_of_band": True})
    assert (invoice.status, invoice.amount_remaining) == ("paid", 0)
    assert client.v1.charges.list().data == []


def test_an_open_invoice_is_voided_or_written_off_and_a_paid_one_is_not(
    client: stripe.StripeClient, acme: stripe.Customer
) -> None:
    assert client.v1.invoices.void_invoice(opened(client, acme.id).id).status == "void"
    written_off = client.v1.invoices.mark_uncollectible(opened(client, acme.id).id)
    assert written_off.status == "uncollectible"
    assert client.v1.invoices.pay(written_off.id).status == "paid"
    with pytest.raises(stripe.InvalidRequestError, match="is paid"):
        client.v1.invoices.void_invoice(written_off.id)
    with pytest.raises(stripe.InvalidRequestError, match="already paid"):
        client.v1.invoices.pay(written_off.id)


def test_only_a_draft_is_deleted(client: stripe.StripeClient, acme: stripe.Customer) -> None:
    invoice = draft(client, acme.id)
    assert client.v1.invoices.delete(invoice.id).deleted is True
    assert client.v1.invoice_items.list({"customer": acme.id}).data == []
    with pytest.raises(stripe.InvalidRequestError, match="No such invoice"):
        client.v1.invoices.retrieve(invoice.id)
    with pytest.raises(stripe.InvalidRequestError, match="only delete draft"):
        client.v1.invoices.delete(opened(client, acme.id).id)


def test_under_fifty_cents_nothing_is_charged_and_the_next_invoice_carries_it(
    client: stripe.StripeClient, acme: stripe.Customer
) -> None:
    small = opened(client, acme.id, [49])
    assert (small.status, small.total, small.amount_due) == ("paid", 49, 0)
    assert client.v1.customers.retrieve(acme.id).balance == 49
    following = opened(client, acme.id, [1000])
    assert (following.total, following.amount_due) == (1000, 1049)
    assert client.v1.customers.retrieve(acme.id).balance == 0
    assert opened(client, acme.id, [50]).amount_due == 50


def test_credit_on_the_balance_pays_first(
    client: stripe.StripeClient, acme: stripe.Customer
) -> None:
    opened(client, acme.id, [-2500])
    assert client.v1.customers.retrieve(acme.id).balance == -2500
    assert opened(client, acme.id, [3000]).amount_due == 500


def test_yen_have_no_cents(client: stripe.StripeClient, acme: stripe.Customer) -> None:
    assert opened(client, acme.id, [49], currency="jpy").amount_due == 0
    invoice = opened(client, acme.id, [7000], currency="jpy")
    assert client.v1.invoices.pay(invoice.id).amount_paid == 7049


def test_an_item_in_another_currency_is_refused(
    client: stripe.StripeClient, acme: stripe.Customer
) -> None:
    invoice = draft(client, acme.id)
    with pytest.raises(stripe.InvalidRequestError, match="must match the currency"):
        client.v1.invoice_items.create(
            {"customer": acme.id, "invoice": invoice.id, "amount": 1, "currency": "eur"}
        )


def test_lines_are_added_at_once_up_to_250(
    client: stripe.StripeClient, acme: stripe.Customer
) -> None:
    invoice = draft(client, acme.id, [])
    many = [{"amount": 1, "description": f"Line {number}"} for number in range(250)]
    full = client.v1.invoices.add_lines(invoice.id, {"lines": many})  # type: ignore[typeddict-item]
    assert (full.total, len(full.lines.data), full.lines.has_more) == (250, 10, True)
    page = client.v1.invoices.line_items.list(invoice.id, {"limit": 100})
    assert len([line.id for line in page.auto_paging_iter()]) == 250
    with pytest.raises(stripe.InvalidRequestError, match="maximum number"):
        client.v1.invoice_items.create(
            {"customer": acme.id, "invoice": invoice.id, "amount": 1, "currency": "usd"}
        )


def test_invoices_are_listed_newest_first_by_customer_status_and_time(
    client: stripe.StripeClient,
    acme: stripe.Customer,
    globex: stripe.Customer,
    sandbox: SandboxProcess,
) -> None:
    older = [draft(client, acme.id, []).id for _ in range(3)]
    opened(client, globex.id)
    sandbox.advance(3600)
    newer = opened(client, acme.id)
    of_acme = client.v1.invoices.list({"customer": acme.id, "limit": 2})
    assert [invoice.id for invoice in of_acme.auto_paging_iter()] == [newer.id, *older[::-1]]
    drafts = client.v1.invoices.list({"customer": acme.id, "status": "draft"})
    assert [invoice.id for invoice in drafts] == older[::-1]
    recent = client.v1.invoices.list({"created": {"gte": newer.created}})
    assert [invoice.id for invoice in recent] == [newer.id]


def test_search_lags_a_minute_behind(
    client: stripe.StripeClient, acme: stripe.Customer, sandbox: SandboxProcess
) -> None:
    invoice = draft(client, acme.id, metadata={"invoice": "42"})
    query = f"metadata['invoice']:'42' AND customer:'{acme.id}'"
    assert client.v1.invoices.search({"query": query}).data == []
    sandbox.advance(61)
    found = client.v1.invoices.search({"query": query})
    assert [match.id for match in found] == [invoice.id]


def test_expand_follows_ids_and_refuses_what_is_none(
    client: stripe.StripeClient, acme: stripe.Customer
) -> None:
    invoice = client.v1.invoices.retrieve(
        draft(client, acme.id).id, {"expand": ["customer.invoice_settings.default_payment_method"]}
    )
    customer = invoice.customer
    assert isinstance(customer, stripe.Customer)
    method = default_method(customer)
    assert isinstance(method, stripe.PaymentMethod)
    listed = client.v1.invoices.list({"expand": ["data.customer"]})
    assert isinstance(listed.data[0].customer, stripe.Customer)
    with pytest.raises(stripe.InvalidRequestError, match="cannot be expanded"):
        client.v1.invoices.retrieve(invoice.id, {"expand": ["total"]})
