"""A process that pushes one invoice, for tests that kill it: `push_once.py INVOICE_ID NOW`."""

import datetime as dt
import os
import sys
from uuid import UUID

import django


def main(invoice_id: str, now: str) -> None:
    os.environ["DJANGO_SETTINGS_MODULE"] = "config.settings.local"
    django.setup()
    from invoices.services.push import push_invoice

    push_invoice(invoice_id=UUID(invoice_id), now=dt.datetime.fromisoformat(now))


if __name__ == "__main__":
    main(*sys.argv[1:])
