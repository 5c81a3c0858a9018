"""A process that syncs one invoice, for tests that kill it: `sync_once.py INVOICE_ID NOW`."""

import datetime as dt
import os
import sys
from uuid import UUID

import django


def main(invoice_id: str, now: str) -> None:
    os.environ["DJANGO_SETTINGS_MODULE"] = "config.settings.local"
    django.setup()
    from invoices.payments.services.stripe_sync import (  # noqa: PLC0415 - after the set-up
        sync_invoice,
    )

    sync_invoice(invoice_id=UUID(invoice_id), now=dt.datetime.fromisoformat(now))


if __name__ == "__main__":
    main(*sys.argv[1:])
