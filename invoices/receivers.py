"""What issued invoices set off: their e-mails, once the close has committed."""

import datetime as dt
from collections.abc import Sequence
from typing import Any
from uuid import UUID

from django.db import transaction
from django.dispatch import receiver

from billing.queue import enqueue
from invoices.signals import invoices_issued


@receiver(invoices_issued, dispatch_uid="mail issued invoices")
def mail_when_issued(
    sender: Any, *, invoice_ids: Sequence[UUID], now: dt.datetime, **kwargs: Any
) -> None:
    ids = [str(pk) for pk in invoice_ids]
    transaction.on_commit(lambda: enqueue("invoices.mail_issued_invoices", ids))
