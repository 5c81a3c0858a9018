"""Stripe's webhooks: how they are received, and what each event does here.

`view` is the address they are posted to, `verification` says which deliveries are Stripe's,
`processing` runs each event's handler exactly once, `handlers` translate events into calls of
`invoices.payments.services.settle`.
"""
