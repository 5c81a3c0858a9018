"""Whether an invoice was paid: customers, payments and collection, through Stripe.

It imports `invoices` and is imported by nothing in it. What it learns it writes to the invoice
through `services.settle`; what it has to begin it hears by `invoices.signals.invoices_issued`.
"""
