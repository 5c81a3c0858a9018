"""What follows an invoice's life; sent inside the transaction, with `invoice_ids` and `now`."""

from django.dispatch import Signal

# Many at once: a month end issues hundreds in one transaction.
invoices_issued = Signal()
# What an invoice's mail may say about its amount, asked outside of any change with `invoice`. A
# receiver answers a sentence, or "".
amount_explained = Signal()
# Late reversals that are to be given back by credit notes: `owed` has (period that they entered,
# `invoices.services.closing.reversals.OwedNote`).
reversals_owed = Signal()
