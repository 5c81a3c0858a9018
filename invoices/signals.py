"""What follows an invoice's life; sent inside the transaction, with `invoice_id` and `now`."""

from django.dispatch import Signal

invoice_issued = Signal()
