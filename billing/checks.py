"""System checks of what is in the database: `migrate` and `check --database default` run them."""

from collections.abc import Sequence
from typing import Any

from django.core.checks import CheckMessage, Tags, Warning, register
from django.db import connections

from billing.models import Passkey
from billing.services import passkeys


@register(Tags.database)
def check_passkeys(
    app_configs: object, databases: Sequence[str] | None = None, **kwargs: Any
) -> list[CheckMessage]:
    """A site that has moved to another host has lost its people's passkeys, which nobody sees
    before they sign in."""
    table = Passkey._meta.db_table
    if not databases or table not in connections["default"].introspection.table_names():
        return []
    here = passkeys.site()
    elsewhere = Passkey.objects.exclude(host=here.host if here else "")
    hosts = sorted(set(elsewhere.values_list("host", flat=True)))
    if not hosts:
        return []
    return [
        Warning(
            f"{elsewhere.count()} passkeys were made at {', '.join(hosts)} and do not work at"
            " SITE_URL.",
            hint="Their owners sign in with an app or a recovery code and make others; where they"
            " have neither, a superuser resets their second factor.",
            id="billing.W001",
        )
    ]
