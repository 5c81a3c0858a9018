"""What an issued invoice sets off: its e-mail, once the close has committed."""

import datetime as dt
from typing import Any
from uuid import UUID

from django.db import transaction
from django.dispatch import receiver

from billing.tasks import enqueue
from invoices.signals import invoice_issued
from invoices.tasks import mail_issued_invoice


@receiver(invoice_issued, dispatch_uid="mail issued invoice")
def mail_when_issued(sender: Any, *, invoice_id: UUID, now: dt.datetime, **kwargs: Any) -> None:
    transaction.on_commit(lambda: enqueue(mail_issued_invoice, str(invoice_id)))
