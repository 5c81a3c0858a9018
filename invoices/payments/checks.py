"""System check: every Stripe account that is named in the database has a key in the settings."""

from collections.abc import Sequence
from typing import Any

from django.core.checks import CheckMessage, Error, Tags, register
from django.db import connections

from billing.models import IssuingEntity
from billing.stripe_accounts import configured_accounts
from invoices.models import Invoice


@register(Tags.database)
def check_stripe_accounts(
    app_configs: object, databases: Sequence[str] | None = None, **kwargs: Any
) -> list[CheckMessage]:
    """What is to be collected in an account that is gone waits, and only that; nobody would see
    why before a customer asks."""
    if not databases or not _is_migrated():
        return []
    known = configured_accounts()
    unpaid = Invoice.objects.filter(status__in=(Invoice.Status.DRAFT, *Invoice.UNPAID))
    named = {
        "issuing entities": IssuingEntity.objects.exclude(stripe_account__in=known),
        "unpaid invoices": unpaid.exclude(stripe_account__in=known),
    }
    return [
        Error(
            f"{', '.join(sorted(gone))}: no Stripe account of the settings, and {what} are in it.",
            hint="Name it in STRIPE_ACCOUNTS and give its STRIPE_SECRET_KEY_<NAME>. Until then"
            " nothing of it is collected, refunded or compared.",
            id="payments.E001",
        )
        for what, rows in named.items()
        if (gone := set(rows.values_list("stripe_account", flat=True)))
    ]


def _is_migrated() -> bool:
    """The check runs before migrations that bring what it looks at, too."""
    connection = connections["default"]
    tables = connection.introspection.table_names()
    for table in (IssuingEntity._meta.db_table, Invoice._meta.db_table):
        if table not in tables:
            return False
        with connection.cursor() as cursor:
            columns = connection.introspection.get_table_description(cursor, table)
        if "stripe_account" not in {column.name for column in columns}:
            return False
    return True
