"""Finding in Stripe what an earlier try may have made, by our ids in its metadata.

Lists are consistent; Stripe's search lags behind by up to a minute, so it is not used.
"""

import datetime as dt
from collections.abc import Iterable
from uuid import UUID

from billing.stripe_accounts import AccountName
from invoices.payments.services import stripe_client
from invoices.payments.services.stripe_client import StripeObject
from invoices.payments.services.stripe_errors import StripeMissing


def customer_of(account: AccountName, *, workspace_id: UUID, email: str) -> StripeObject | None:
    """The oldest customer with this address that carries the workspace's id."""
    found = [
        customer
        for customer in stripe_client.every(account, "/v1/customers", {"email": email})
        if _metadata(customer).get("workspace_id") == str(workspace_id)
    ]
    return found[-1] if found else None


def invoices_of(
    account: AccountName, *, invoice_id: UUID, customer_ids: Iterable[str]
) -> list[StripeObject]:
    """All that carry our invoice's id, oldest first; a customer Stripe does not know has none."""
    found: list[StripeObject] = []
    for customer_id in customer_ids:
        try:
            invoices = list(stripe_client.every(account, "/v1/invoices", {"customer": customer_id}))
        except StripeMissing:
            continue
        found += [
            invoice
            for invoice in invoices
            if _metadata(invoice).get("invoice_id") == str(invoice_id)
        ]
    return sorted(found, key=lambda invoice: invoice.get("created") or 0)


def items_of(account: AccountName, stripe_invoice_id: str) -> dict[str, StripeObject]:
    """The items on an invoice by the id of ours that each carries."""
    return {
        _metadata(item)["invoice_item_id"]: item
        for item in stripe_client.every(account, "/v1/invoiceitems", {"invoice": stripe_invoice_id})
        if "invoice_item_id" in _metadata(item)
    }


def payment_record_of(
    account: AccountName, *, report_id: UUID, since: dt.datetime
) -> StripeObject | None:
    """The payment record that was made for one of our reports, at `since` or later."""
    margin = dt.timedelta(hours=1)
    records = stripe_client.every(
        account, "/v1/payment_records", {"created_after": int((since - margin).timestamp())}
    )
    found = (each for each in records if _metadata(each).get("report_id") == str(report_id))
    return next(found, None)


def _metadata(thing: StripeObject) -> dict[str, str]:
    return thing.get("metadata") or {}
