"""Search of invoices by what a customer says on the phone: an amount, or the id of a call."""

import re
from decimal import Decimal
from uuid import UUID

from django.db.models import F, Q, QuerySet

from invoices.models import Invoice
from usage.models import UsageRecord
from usage.queries.records import workspaces_with_call

_AMOUNT = re.compile(r"\d{1,15}(\.\d{1,3})?")
# With a decimal comma: two digits at most follow it, where a group of thousands has three.
_WITH_COMMA = re.compile(r"(\d+|\d{1,3}(\.\d{3})+),\d{1,2}")


def amount_in(text: str) -> Decimal | None:
    """An amount as people write it: 1,234.50 or 1.234,50, with or without a currency's sign."""
    plain = text.strip("$€£¥ ")
    if _WITH_COMMA.fullmatch(plain):
        plain = plain.replace(".", "").replace(",", ".")
    plain = plain.replace(",", "")
    if not _AMOUNT.fullmatch(plain):
        return None
    return Decimal(plain)


def periods_of_call(text: str) -> list[UUID] | None:
    """The billing periods that a call's usage is billed in; None where `text` is no id."""
    try:
        wanted = UUID(text)
    except ValueError:
        return None
    records = UsageRecord.objects.filter(
        workspace__in=workspaces_with_call(wanted, workspace_ids=None), call=wanted
    )
    return list(records.order_by().values_list("billing_period_id", flat=True).distinct())


def by_amount_or_call(invoices: QuerySet[Invoice], wanted: str) -> QuerySet[Invoice] | None:
    """Those of an amount, whole, before tax or still open, or that bill a call; None where `wanted`
    is neither."""
    if (amount := amount_in(wanted)) is not None:
        open_amount = F("amount") - F("amount_paid") - F("credit_used") - F("amount_credited")
        return invoices.alias(open_amount=open_amount).filter(
            Q(amount=amount) | Q(net=amount) | Q(open_amount=amount)
        )
    if (periods := periods_of_call(wanted)) is not None:
        return invoices.filter(billing_period__in=periods)
    return None
