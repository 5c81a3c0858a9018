"""Request bodies -> entries. Each record is refused by itself; only a body that is not JSON, or
not the envelope, is refused as a whole."""

import json
import re
from collections.abc import Iterable, Sequence
from typing import Any

import msgspec

from billing.errors import BillingError
from usage.services.ingest.entries import FIELDS, Entry, RecordError

MAX_RECORDS = 10_000


class MalformedJSON(BillingError):
    code = "malformed_json"


class InvalidEnvelope(BillingError):
    code = "invalid_envelope"


class TooManyRecords(BillingError):
    status = 413
    code = "too_many_records"


class _Envelope(msgspec.Struct, forbid_unknown_fields=True):
    records: list[Entry]


class _RawEnvelope(msgspec.Struct, forbid_unknown_fields=True):
    records: list[msgspec.Raw]


Parsed = Entry | RecordError
_envelope = msgspec.json.Decoder(_Envelope)
_raw_envelope = msgspec.json.Decoder(_RawEnvelope)
_entry = msgspec.json.Decoder(Entry)
_anything = msgspec.json.Decoder()
_PATH = re.compile(r" - at `\$\.?([a-z_]*)")
_NAMED = re.compile(r"`([^`]*)`")


def parse_json(body: bytes) -> Sequence[Parsed]:
    """`{"records": [...]}` as entries, or errors in their places."""
    try:
        entries: Sequence[Parsed] = _envelope.decode(body).records
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        entries = _one_by_one(_raw_records(body))
    else:
        _check_count(len(entries))
        if _may_repeat_names(body, entries):
            entries = _one_by_one(_raw_records(body))
    return entries


def parse_ndjson(body: bytes) -> Sequence[Parsed]:
    """One record a line; empty lines are passed over, a line that is not JSON spoils the body."""
    lines = [line for line in body.split(b"\n") if line.strip()]
    _check_count(len(lines))
    # One decode of all lines as a list is as fast as the JSON envelope. A newline within a record
    # makes two lines that are no JSON each, which the count shows.
    joined = b"[" + b",".join(lines) + b"]"
    try:
        entries: Sequence[Parsed] = _entries.decode(joined)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        entries = []
    if len(entries) != len(lines) or _may_repeat_names(joined, entries):
        for number, line in enumerate(lines, start=1):
            _check_syntax(line, f"Line {number} is not JSON")
        entries = _one_by_one(lines)
    return entries


_entries = msgspec.json.Decoder(list[Entry])


def parse_single(body: bytes) -> Parsed:
    """One record; raises `MalformedJSON` for what is not JSON."""
    try:
        entry = _entry.decode(body)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        _check_syntax(body, "The body is not JSON")
        return _one_by_one([body])[0]
    if _may_repeat_names(body, [entry]):
        return _one_by_one([body])[0]
    return entry


def _raw_records(body: bytes) -> list[msgspec.Raw]:
    _check_syntax(body, "The body is not JSON")
    try:
        records = _raw_envelope.decode(body).records
    except msgspec.ValidationError as error:
        raise InvalidEnvelope(
            f'The body must be {{"records": [...]}}: {error}.', field="records"
        ) from None
    _check_count(len(records))
    if body.count(b'"records"') > 1:
        _refuse_repeated_envelope(body)
    return records


def _refuse_repeated_envelope(body: bytes) -> None:
    def names_once(pairs: list[tuple[str, Any]]) -> None:
        names = [name for name, _ in pairs]
        if names.count("records") > 1:
            raise InvalidEnvelope("The envelope names its records twice.", field="records")

    json.loads(body, object_pairs_hook=names_once)


def _check_count(count: int) -> None:
    if count == 0:
        raise InvalidEnvelope("There are no records.", field="records")
    if count > MAX_RECORDS:
        raise TooManyRecords(f"At most {MAX_RECORDS} records a request.", field="records")


def _check_syntax(data: bytes, what: str) -> None:
    try:
        _anything.decode(data)
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        raise MalformedJSON(f"{what}: {error}") from None
    except RecursionError:
        raise MalformedJSON(f"{what} that can be read: it is nested too deeply.") from None


def _may_repeat_names(body: bytes, entries: Sequence[Parsed]) -> bool:
    """Whether some object may name a field twice, which the decoder would let pass.

    A name ends in `":` where no space stands before the colon, and so does nothing else but a
    quote inside a text; with as many of these as there are fields, no name is there twice. What
    cannot be told so cheaply is looked at record by record.
    """
    if any(space in body for space in (b" :", b"\t:", b"\n:", b"\r:", b"\\")):
        return True
    names = 6 * len(entries)
    for entry in entries:
        names += entry.occurred_at is not msgspec.UNSET  # type: ignore[union-attr]
        names += entry.call_id is not msgspec.UNSET  # type: ignore[union-attr]
    envelope = body.count(b'"records":')
    return envelope > 1 or body.count(b'":') - names != envelope


def _one_by_one(records: Iterable[bytes | msgspec.Raw]) -> list[Parsed]:
    return [_parse_one(index, bytes(record)) for index, record in enumerate(records)]


def _parse_one(index: int, record: bytes) -> Parsed:
    try:
        pairs = json.loads(record, object_pairs_hook=_Pairs, parse_float=str, parse_int=str)
        if isinstance(pairs, _Pairs) and (name := pairs.repeated()):
            field = name if name in FIELDS else None
            return RecordError(index, "duplicate_key", field, "A field is named twice.")
        return _entry.decode(record)
    except msgspec.ValidationError as error:
        return _explain(index, str(error))
    except (ValueError, RecursionError) as error:
        return RecordError(index, "malformed_json", None, f"This is not JSON: {error}")


class _Pairs(list[Any]):
    """An object as its name-value pairs, repetitions included."""

    def repeated(self) -> str | None:
        seen = set()
        for name, _ in self:
            if name in seen:
                return str(name)
            seen.add(name)
        return None


def _explain(index: int, message: str) -> RecordError:
    """msgspec's message as a code and the field it is about."""
    named = _NAMED.search(message)
    path = _PATH.search(message)
    if message.startswith("Object missing required field") and named:
        return RecordError(index, "required", named[1], "This field is required.")
    if message.startswith("Object contains unknown field") and named:
        return RecordError(
            index, "unknown_field", named[1][:64], "There is no such field in a usage record."
        )
    field = path[1] if path and path[1] in FIELDS else None
    if "datetime" in message:
        return RecordError(index, "invalid_time", field, "Must be an ISO 8601 time with an offset.")
    return RecordError(index, "invalid_type", field, message.split(" - at ", maxsplit=1)[0] + ".")
