"""Canonical text of a usage record and of a seal, and their digests.

`docs/proof.md` documents both, and `usage/verify_export.py` checks them without this project. A
column that is added to the records' table changes the form: `FORM` goes up by one, the old form
stays here for the seals made with it.
"""

import hashlib
import hmac
import json
from collections.abc import Iterator
from contextlib import contextmanager
from decimal import Decimal, localcontext
from typing import Any
from uuid import UUID

from django.conf import settings
from django.db import connection, transaction
from django.db.backends.utils import CursorWrapper

from billing.models import BillingPeriod
from billing.money import EXACT
from usage.models import PeriodSeal

FORM = 1
FINGERPRINT_BYTES = 16

# Every column of the records' table, in this order. The free text comes last: between the others a
# separator cannot stand in a value.
COLUMNS = (
    "id",
    "workspace_id",
    "billing_period_id",
    "call_id",
    "reverses_id",
    "occurred_at",
    "created_at",
    "usage_date",
    "late",
    "idempotency_key",
    "resource_type",
    "provider",
    "quantity",
    "unit_cost",
    "total_cost",
    "markup_percentage",
    "final_cost",
    "rate_id",
    "billed_quantity",
    "agent_id",
    "model",
    "cost_currency",
    "exchange_rate",
    "cost_state",
    "trues_up_id",
    "reason",
)
_NULLABLE = {
    "call_id",
    "reverses_id",
    "markup_percentage",
    "rate_id",
    "billed_quantity",
    "agent_id",
    "model",
    "cost_currency",
    "exchange_rate",
    "cost_state",
    "trues_up_id",
    "reason",
}
_SEPARATOR = "U&'\\001F'"


def _canonical(name: str) -> str:
    if name in _NULLABLE:
        return f"coalesce({name}::text, '')"
    return f"{name}::text" if name == "late" else name


def _exported(name: str) -> str:
    return f"'{name}', {name if name == 'late' else f'{name}::text'}"


# `concat_ws` over plain columns takes a quarter of the time that building JSON takes.
FINGERPRINT = (
    f"substr(sha256(convert_to(concat_ws({_SEPARATOR}, {', '.join(map(_canonical, COLUMNS))}),"
    f" 'UTF8')), 1, {FINGERPRINT_BYTES})"
)
# The same values as a line of JSON: texts but for the flag and for null.
EXPORTED_LINE = f"json_build_object({', '.join(map(_exported, COLUMNS))})::text"
# A record that is not late lies between its period's ends, where the workspace's index finds it;
# late ones have an index of their own.
RECORDS = """
SELECT {what} FROM usage_usagerecord
 WHERE workspace_id = %(workspace)s AND billing_period_id = %(period)s AND NOT late
   AND occurred_at >= %(start)s AND occurred_at < %(end)s
UNION ALL
SELECT {what} FROM usage_usagerecord
 WHERE workspace_id = %(workspace)s AND billing_period_id = %(period)s AND late
"""


@contextmanager
def reading() -> Iterator[CursorWrapper]:
    """A cursor, in a transaction, for which the canonical text is the same on every server."""
    with transaction.atomic(), connection.cursor() as cursor:
        cursor.execute("SET LOCAL TimeZone = 'UTC'")
        cursor.execute("SET LOCAL DateStyle = 'ISO, YMD'")
        # Room to sort a million fingerprints at once.
        cursor.execute("SET LOCAL work_mem = '256MB'")
        yield cursor


def values_of(seal: PeriodSeal) -> dict[str, Any]:
    """The parameters of `RECORDS` for a seal's period."""
    return values_of_period(seal.billing_period)


def values_of_period(period: BillingPeriod) -> dict[str, Any]:
    return {
        "workspace": period.workspace_id,
        "period": period.pk,
        "start": period.period_start,
        "end": period.period_end,
    }


def seal_text(seal: PeriodSeal) -> bytes:
    """What `seal.digest` is the SHA-256 of."""
    period = seal.billing_period
    facts = {
        "form": FORM,
        "workspace_id": str(seal.workspace_id),
        "sequence": seal.sequence,
        "period_id": str(seal.billing_period_id),
        "period_start": _utc(period.period_start),
        "period_end": _utc(period.period_end),
        "records": seal.records,
        "total_cost": _money(seal.total_cost),
        "final_cost": _money(seal.final_cost),
        "records_digest": seal.records_digest,
        "previous_digest": seal.previous_digest,
    }
    return json.dumps(facts, separators=(",", ":")).encode()


def digest_of(seal: PeriodSeal) -> str:
    return hashlib.sha256(seal_text(seal)).hexdigest()


def _money(amount: Decimal) -> str:
    """With ten decimals, as the records have them; also a zero."""
    with localcontext(EXACT):
        return format(Decimal(amount).quantize(Decimal("1E-10")), "f")


def _utc(at: Any) -> str:
    return f"{at:%Y-%m-%dT%H:%M:%S.%fZ}"


def key_ids() -> dict[str, bytes]:
    """Keys by their public names; the first makes new seals, all of them verify."""
    secrets = [settings.SECRET_KEY, *settings.SECRET_KEY_FALLBACKS]
    derived = [mac_of("seal key", str(secret).encode()) for secret in secrets]
    keys = [key.encode() for key in (*settings.SEAL_KEYS, *derived)]
    return {hashlib.sha256(b"seal key:" + key).hexdigest()[:16]: key for key in keys}


def mac_of(what: str, key: bytes) -> str:
    return hmac.new(key, what.encode(), hashlib.sha256).hexdigest()


def chain_text(workspace_id: UUID, length: int, head: str) -> str:
    """What a chain's end is keyed over."""
    return f"{workspace_id}:{length}:{head}"
