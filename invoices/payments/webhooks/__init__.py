"""Stripe's webhooks: what guards dj-stripe's view, and what each event does here.

`guard` is the middleware in front of the view, `acceptance` says which deliveries are Stripe's,
`processing` runs each event's handler exactly once, `handlers` translate events into calls of
`invoices.payments.services.settle`.
"""
