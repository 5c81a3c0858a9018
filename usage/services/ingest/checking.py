"""A usage record on its way, and the rules it must meet before a database is asked."""

import datetime as dt
import re
from collections.abc import Iterable
from contextlib import suppress
from decimal import Decimal
from functools import lru_cache
from hashlib import sha1
from typing import NamedTuple
from uuid import UUID

import msgspec
from django.conf import settings

from billing.text import RESOURCE_TYPE, UnfitText, provider_key
from billing.times import NotATime, parse_time
from usage.services.ingest.fields import InvalidField, cost_state, currency, read_decimal
from usage.services.ingest.parsing import Entry, RecordError

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
_ZERO = Decimal(0)
_VARIANT = {digit: "89ab"[int(digit, 16) & 3] for digit in "0123456789abcdef"}
# Of times to the second, with three or with six decimals, without their offset.
_USUAL_LENGTHS = (19, 23, 26)
# Texts that come again and again are checked once. Only short ones are remembered.
_LONGEST_REMEMBERED = 64
_is_resource_type = lru_cache(maxsize=1024)(RESOURCE_TYPE.fullmatch)


class PeriodDay(msgspec.Struct, gc=False, frozen=True):
    """Where a record enters: an open period (32 hex digits) and a day of the workspace's clock.

    `start` and `end` bound the times that belong there, half-open; for a late record they
    hold no time, since each late record is looked up by itself.
    """

    period_id: str
    usage_date: str
    late: bool
    start: dt.datetime
    end: dt.datetime


_NEVER = dt.datetime.max.replace(tzinfo=dt.UTC)
_UNPRICED = PeriodDay("", "", False, _NEVER, _NEVER)


class Stored(NamedTuple):
    """A record as it is in the database."""

    id: UUID
    workspace_id: UUID
    call_id: UUID | None
    resource_type: str
    provider: str
    quantity: Decimal
    unit_cost: Decimal
    total_cost: Decimal
    markup_percentage: Decimal | None
    final_cost: Decimal
    billing_period_id: UUID
    late: bool
    idempotency_key: str
    occurred_at: dt.datetime
    created_at: dt.datetime
    billed_quantity: Decimal
    rate_id: UUID | None
    model: str | None
    cost_currency: str | None
    exchange_rate: Decimal | None
    cost_state: str
    agent_id: UUID | None


class PricedRecord(msgspec.Struct, gc=False):
    """A record on its way: right in itself, then priced, then recorded or not.

    `id` and `workspace_id` are 32 hex digits. What goes to the database is text, as it takes it;
    amounts are decimals too where they are computed with.
    """

    index: int
    id: str
    workspace_id: str
    idempotency_key: str
    resource_type: str
    provider: str
    quantity: Decimal
    quantity_text: str
    unit_cost: Decimal
    unit_cost_text: str
    occurred_at: dt.datetime
    occurred_at_given: bool
    call_id: str | None
    # As it is sent; the call's own agent, where that is known, comes before it.
    agent_id: str | None = None
    model: str | None = None
    # A unit cost that was not given is that of the cost card; a currency that was not, the
    # workspace's. The state is None where it is final.
    unit_cost_given: bool = True
    sent_currency: str | None = None
    cost_state: str | None = None
    # What pricing adds. The currency is None where it is the workspace's.
    cost_currency: str | None = None
    exchange_rate: str | None = None
    period_day: PeriodDay = _UNPRICED
    markup: str | None = None
    total_cost: str = ""
    final_cost: str = ""
    rate_id: str | None = None
    billed_quantity: str | None = None
    # Why it was refused (when that stands before pricing: unless its key is known); or what had
    # its key before.
    refusal: RecordError | None = None
    existing: Stored | None = None
    # Who took the call, as the database says.
    agent_of_call: str | None = None

    def refuse(self, code: str, field: str | None, detail: str) -> None:
        self.refusal = RecordError(self.index, code, field, detail)


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
        except InvalidField as refused:
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
        raise InvalidField(
            "invalid_key",
            "idempotency_key",
            f"Must be 1 to {MAX_KEY_LENGTH} printable characters, without spaces around them.",
        )
    workspace = entry.workspace_id
    if len(workspace) > _LONGEST_REMEMBERED or (known := _id(workspace)) is None:
        raise InvalidField("invalid_uuid", "workspace_id", "This is not a UUID.")
    resource_type = entry.resource_type
    if len(resource_type) > _LONGEST_REMEMBERED or not _is_resource_type(resource_type):
        raise InvalidField(
            "invalid_resource_type",
            "resource_type",
            "Must be 1 to 64 of a-z, 0-9 and _, beginning with a letter.",
        )
    try:
        provider = provider_key(entry.provider)
    except UnfitText as error:
        raise InvalidField("invalid_provider", "provider", str(error)) from None
    if match := _QUANTITY.fullmatch(bytes(entry.quantity)):
        quantity_text = match[2].decode()
        quantity = Decimal(quantity_text)
    else:
        quantity = read_decimal("quantity", bytes(entry.quantity), digits=12, places=6)
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
            occurred_at = read_time(text)
        except NotATime as error:
            raise InvalidField(error.code, "occurred_at", error.detail) from None
    call_id = entry.call_id or None
    if call_id is not None and not _UUID.fullmatch(call_id):
        raise InvalidField("invalid_uuid", "call_id", "This is not a UUID.")
    agent_id = entry.agent_id or None
    if agent_id is not None:
        if len(agent_id) > _LONGEST_REMEMBERED or (named := _id(agent_id)) is None:
            raise InvalidField("invalid_uuid", "agent_id", "This is not a UUID.")
        agent_id = named[0]
    model = entry.model
    if model is msgspec.UNSET or model is None:
        model = None
    else:
        try:
            model = provider_key(model)
        except UnfitText as error:
            raise InvalidField("invalid_model", "model", str(error)) from None
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
        currency(entry.cost_currency, cost_given) if entry.cost_currency else None,
        cost_state(entry.cost_state) if entry.cost_state else None,
    )
    if not oldest <= occurred_at <= latest:
        if occurred_at > latest:
            record.refuse("in_the_future", "occurred_at", "This time has not come yet.")
        else:
            record.refuse("too_old", "occurred_at", "This time is too long ago to be recorded.")
    return record


def read_time(text: str) -> dt.datetime:
    """As `parse_time`. The way almost every client writes a time, Python's own reader takes it, and
    of a text that looks like this it takes nothing that `parse_time` would not."""
    end = 6 if text[-6:] == "+00:00" else text[-1:] == "Z"
    length = len(text) - end
    if (
        end
        and length in _USUAL_LENGTHS
        and text[10:17:3] == "T::"
        and text[5] != "W"
        and (length == 19 or text[19] == ".")
    ):
        with suppress(ValueError):
            return dt.datetime.fromisoformat(text)
    return parse_time(text)


@lru_cache(maxsize=16_384)
def _id(text: str) -> tuple[str, bytes] | None:
    """A workspace's or an agent's, as 32 hex digits and as bytes."""
    if not _UUID.fullmatch(text):
        return None
    found = UUID(text)
    return found.hex, found.bytes


@lru_cache(maxsize=4096)
def _unit_cost(raw: bytes) -> tuple[Decimal, str]:
    if match := _UNIT_COST.fullmatch(raw):
        text = match[2].decode()
        return Decimal(text), text
    return _long_unit_cost(raw)


def _long_unit_cost(raw: bytes) -> tuple[Decimal, str]:
    cost = read_decimal("unit_cost", raw, digits=8, places=10)
    return cost, str(cost)


def record_id(workspace: bytes, idempotency_key: str) -> str:
    """`uuid5(workspace, idempotency_key)` as 32 hex digits; three times as fast as `uuid.uuid5`.

    RFC 9562, 5.5: SHA-1 of the namespace's bytes and the name, with version and variant set.
    """
    digits = sha1(workspace + idempotency_key.encode(), usedforsecurity=False).hexdigest()
    return f"{digits[:12]}5{digits[13:16]}{_VARIANT[digits[16]]}{digits[17:32]}"
