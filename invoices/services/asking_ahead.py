"""Asking ahead what the tax of months that have ended is, so that their close need not wait for it.

During the grace of a month its bill is made as its close would make it, and what the tax depends on
is asked for. Where usage comes in afterwards the question is another one and is asked anew.
"""

import datetime as dt
import logging
from collections.abc import Sequence
from uuid import UUID

from django.db import InterfaceError, OperationalError

from billing.models import BillingPeriod, TaxRegistration
from billing.rating.taxes import CALCULATED
from invoices.services.closing.sums import CannotClose
from invoices.services.preview import ended_closings
from invoices.services.sales_taxes import ask

log = logging.getLogger(__name__)
_CHUNK = 200


def ask_ahead(*, now: dt.datetime) -> int:
    """Ask for the taxes that months which have ended lack; how many. One query without a
    registration in a country whose taxes are calculated."""
    if not TaxRegistration.objects.filter(country__in=CALCULATED).exists():
        return 0
    ended = BillingPeriod.objects.filter(
        status=BillingPeriod.Status.CURRENT,
        period_end__lte=now,
        workspace__address_country__in=CALCULATED,
    )
    workspaces = list(
        ended.order_by("workspace_id").values_list("workspace_id", flat=True).distinct()
    )
    return sum(
        _ask_for(workspaces[start : start + _CHUNK], now)
        for start in range(0, len(workspaces), _CHUNK)
    )


def _ask_for(workspace_ids: Sequence[UUID], now: dt.datetime) -> int:
    try:
        closings = ended_closings(workspace_ids, now)
    except (InterfaceError, OperationalError):
        raise  # no workspace is to blame for that
    except Exception as error:
        # Whatever it is, its close fails too and says so to finance; the others are asked for.
        if len(workspace_ids) > 1:
            return sum(_ask_for([workspace_id], now) for workspace_id in workspace_ids)
        is_known = isinstance(error, CannotClose)
        log.warning(
            "no tax of workspace %s is asked for: %s", *workspace_ids, error, exc_info=not is_known
        )
        return 0
    asked = [closing.asked for closing in closings if closing.asked is not None]
    for each in asked:
        ask(each, now=now)
    return len(asked)
