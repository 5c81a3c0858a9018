"""The rules a usage record must meet before a database is asked."""

import datetime as dt
import re
from collections.abc import Iterable
from contextlib import suppress
from decimal import Context, Decimal
from functools import lru_cache
from hashlib import sha1
from uuid import UUID

import msgspec
from django.conf import settings

from billing.money import CURRENCIES
from billing.text import RESOURCE_TYPE, UnfitText, provider_key
from billing.times import NotATime, parse_time
from usage.services.ingest.entries import ESTIMATED, FINAL, Entry, PricedRecord, RecordError

# Python's own SHA-1: OpenSSL's takes twice as long for a text as short as a key.
with suppress(ImportError):
    from _sha1 import sha1  # type: ignore[import-not-found,no-redef]

MAX_KEY_LENGTH = 128

_UUID = re.compile(
    r"[0-9a-fA-F]{8}-?[0-9a-fA-F]{4}-?[0-9a-fA-F]{4}-?[0-9a-fA-F]{4}-?[0-9a-fA-F]{12}"
)
# A decimal as a JSON number or as a string of one: what fits the column as it stands.
_QUANTITY = re.compile(rb'("?)([0-9]{1,12}(?:\.[0-9]{1,6})?)\1')
_UNIT_COST = re.compile(rb'("?)([0-9]{1,8}(?:\.[0-9]{1,10})?)\1')
_DECIMAL = re.compile(rb'("?)(-?[0-9]{1,100}(?:\.[0-9]{1,100})?(?:[eE][+-]?[0-9]{1,4})?)\1')
# As many digits as `_DECIMAL` lets through: nothing is rounded before it is measured.
_EXACT = Context(prec=200)
_ZERO = Decimal(0)
_VARIANT = {digit: "89ab"[int(digit, 16) & 3] for digit in "0123456789abcdef"}
# Texts that come again and again are checked once. Only short ones are remembered.
_LONGEST_REMEMBERED = 64


class _InvalidField(Exception):
    def __init__(self, code: str, field: str, detail: str) -> None:
        super().__init__(detail)
        self.code = code
        self.field = field
        self.detail = detail


def check_entries(
    entries: Iterable[Entry | RecordError], *, now: dt.datetime
) -> tuple[list[PricedRecord], list[RecordError]]:
    """Entries that are right in themselves, and why the others are not.

    A time too long ago, or yet to come, is a refusal that the record carries: whoever sends a
    known record again is answered as that, however much time has passed.
    """
    oldest = now - dt.timedelta(days=settings.USAGE_MAX_AGE_DAYS)
    latest = now + dt.timedelta(seconds=settings.USAGE_MAX_AHEAD_SECONDS)
    records: list[PricedRecord] = []
    errors: list[RecordError] = []
    for index, entry in enumerate(entries):
        if isinstance(entry, RecordError):
            errors.append(entry)
            continue
        try:
            records.append(_check(index, entry, now, oldest, latest))
        except _InvalidField as refused:
            errors.append(RecordError(index, refused.code, refused.field, refused.detail))
    return records, errors


def _check(
    index: int, entry: Entry, now: dt.datetime, oldest: dt.datetime, latest: dt.datetime
) -> PricedRecord:
    key = entry.idempotency_key
    if (
        not 1 <= len(key) <= MAX_KEY_LENGTH
        or not key.isprintable()
        or key[0] == " "
        or key[-1] == " "
    ):
        raise _InvalidField(
            "invalid_key",
            "idempotency_key",
            f"Must be 1 to {MAX_KEY_LENGTH} printable characters, without spaces around them.",
        )
    workspace = entry.workspace_id
    if len(workspace) > _LONGEST_REMEMBERED or (known := _workspace(workspace)) is None:
        raise _InvalidField("invalid_uuid", "workspace_id", "This is not a UUID.")
    resource_type = entry.resource_type
    if len(resource_type) > _LONGEST_REMEMBERED or not _is_resource_type(resource_type):
        raise _InvalidField(
            "invalid_resource_type",
            "resource_type",
            "Must be 1 to 64 of a-z, 0-9 and _, beginning with a letter.",
        )
    try:
        provider = provider_key(entry.provider)
    except UnfitText as error:
        raise _InvalidField("invalid_provider", "provider", str(error)) from None
    if match := _QUANTITY.fullmatch(bytes(entry.quantity)):
        quantity_text = match[2].decode()
        quantity = Decimal(quantity_text)
    else:
        quantity = _decimal("quantity", bytes(entry.quantity), digits=12, places=6)
        quantity_text = str(quantity)
    raw = b"null" if entry.unit_cost is msgspec.UNSET else bytes(entry.unit_cost)
    cost_given = raw != b"null"
    if not cost_given:
        cost, cost_text = _ZERO, "0"  # the cost card's, when it is priced
    elif len(raw) <= _LONGEST_REMEMBERED:
        cost, cost_text = _unit_cost(raw)
    else:
        cost, cost_text = _long_unit_cost(raw)
    text = entry.occurred_at or None
    if text is None:
        occurred_at = now
    else:
        try:
            occurred_at = parse_time(text)
        except NotATime as error:
            raise _InvalidField(error.code, "occurred_at", error.detail) from None
    call_id = entry.call_id or None
    if call_id is not None and not _UUID.fullmatch(call_id):
        raise _InvalidField("invalid_uuid", "call_id", "This is not a UUID.")
    agent_id = entry.agent_id or None
    if agent_id is not None:
        agent_id = _hex(agent_id)
        if agent_id is None:
            raise _InvalidField("invalid_uuid", "agent_id", "This is not a UUID.")
    model = entry.model
    if model is msgspec.UNSET or model is None:
        model = None
    else:
        try:
            model = provider_key(model)
        except UnfitText as error:
            raise _InvalidField("invalid_model", "model", str(error)) from None
    record = PricedRecord(
        index,
        record_id(known[1], key),
        known[0],
        key,
        resource_type,
        provider,
        quantity,
        quantity_text,
        cost,
        cost_text,
        occurred_at,
        text is not None,
        call_id,
        agent_id,
        model,
        cost_given,
        _currency(entry.cost_currency, cost_given) if entry.cost_currency else None,
        _state(entry.cost_state) if entry.cost_state else None,
    )
    if not oldest <= occurred_at <= latest:
        if occurred_at > latest:
            record.refuse("in_the_future", "occurred_at", "This time has not come yet.")
        else:
            record.refuse("too_old", "occurred_at", "This time is too long ago to be recorded.")
    return record


@lru_cache(maxsize=16_384)
def _workspace(text: str) -> tuple[str, bytes] | None:
    """A workspace's id as 32 hex digits and as bytes."""
    if not _UUID.fullmatch(text):
        return None
    workspace = UUID(text)
    return workspace.hex, workspace.bytes


def _hex(text: str) -> str | None:
    """An id as 32 hex digits; those of agents come again and again, as workspaces' do."""
    known = _workspace(text) if len(text) <= _LONGEST_REMEMBERED else None
    return known and known[0]


def _currency(text: str, cost_given: bool) -> str:
    if text not in CURRENCIES:
        detail = "An ISO 4217 currency is expected, as USD."
        raise _InvalidField("unknown_currency", "cost_currency", detail)
    if not cost_given:
        detail = "A cost_currency is that of a unit_cost: send one, or neither."
        raise _InvalidField("required", "unit_cost", detail)
    return text


def _state(text: str) -> str | None:
    """None for a final cost, as it is kept."""
    if text not in (FINAL, ESTIMATED):
        raise _InvalidField("invalid_choice", "cost_state", "One of final, estimated is expected.")
    return None if text == FINAL else text


@lru_cache(maxsize=1024)
def _is_resource_type(text: str) -> bool:
    return RESOURCE_TYPE.fullmatch(text) is not None


@lru_cache(maxsize=4096)
def _unit_cost(raw: bytes) -> tuple[Decimal, str]:
    if match := _UNIT_COST.fullmatch(raw):
        text = match[2].decode()
        return Decimal(text), text
    return _long_unit_cost(raw)


def _long_unit_cost(raw: bytes) -> tuple[Decimal, str]:
    cost = _decimal("unit_cost", raw, digits=8, places=10)
    return cost, str(cost)


def record_id(workspace: bytes, idempotency_key: str) -> str:
    """`uuid5(workspace, idempotency_key)` as 32 hex digits; three times as fast as `uuid.uuid5`.

    RFC 9562, 5.5: SHA-1 of the namespace's bytes and the name, with version and variant set.
    """
    digits = sha1(workspace + idempotency_key.encode(), usedforsecurity=False).hexdigest()
    return f"{digits[:12]}5{digits[13:16]}{_VARIANT[digits[16]]}{digits[17:32]}"


def decimal_or_error(
    index: int, field: str, raw: bytes, *, digits: int, places: int
) -> Decimal | RecordError:
    """The decimal in `raw`, or why it does not fit `digits` digits before and `places` after."""
    try:
        return _decimal(field, raw, digits=digits, places=places)
    except _InvalidField as refused:
        return RecordError(index, refused.code, refused.field, refused.detail)


def _decimal(field: str, raw: bytes, *, digits: int, places: int) -> Decimal:
    match = _DECIMAL.fullmatch(raw)
    if match is None:
        raise _InvalidField(
            "invalid_decimal", field, "Must be a plain decimal, as a string or a number."
        )
    value = _EXACT.normalize(Decimal(match[2].decode()))
    if value < 0:
        raise _InvalidField("negative", field, "Must not be negative.")
    if not value:
        return Decimal(0)  # whatever its sign and exponent
    if value.adjusted() >= digits:
        raise _InvalidField(
            "too_large", field, f"At most {digits} digits before the decimal point."
        )
    if -int(value.as_tuple().exponent) > places:
        raise _InvalidField(
            "too_many_decimals", field, f"At most {places} digits after the decimal point."
        )
    return value
