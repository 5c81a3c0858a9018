"""What follows an invoice's life; sent inside the transaction, with `invoice_ids` and `now`."""

from django.dispatch import Signal

# Many at once: a month end issues hundreds in one transaction.
invoices_issued = Signal()
