"""Search of invoices by what a customer says on the phone: an amount, or the id of a call."""

import re
from decimal import Decimal
from uuid import UUID

from django.db.models import F, Q, QuerySet

from billing.id_ranges import ids_beginning
from invoices.models import Invoice
from usage.models import UsageRecord
from usage.queries.records import workspaces_with_calls

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


def periods_of_call(text: str) -> list[UUID]:
    """The billing periods that usage of the call is billed in whose id is `text` or begins so."""
    wanted = ids_beginning(text)
    if wanted is None:
        return []
    records = UsageRecord.objects.filter(
        wanted.of("call"), workspace__in=workspaces_with_calls(wanted, workspace_ids=None)
    )
    return list(records.order_by().values_list("billing_period_id", flat=True).distinct())


def by_amount_or_call(invoices: QuerySet[Invoice], wanted: str) -> QuerySet[Invoice] | None:
    """Those of an amount, whole, before tax or still open, or that bill a call; None where `wanted`
    is neither. Eight digits may be either."""
    among = Q()
    if (amount := amount_in(wanted)) is not None:
        open_amount = F("amount") - F("amount_paid") - F("credit_used") - F("amount_credited")
        invoices = invoices.alias(open_amount=open_amount)
        among |= Q(amount=amount) | Q(net=amount) | Q(open_amount=amount)
    if periods := periods_of_call(wanted):
        among |= Q(billing_period__in=periods)
    return invoices.filter(among) if among else None
