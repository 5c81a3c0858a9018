"""Request bodies -> entries, records as sent. Each is refused by itself; only a body that is not
JSON, or not the envelope, is refused as a whole."""

import json
import re
from collections.abc import Iterable, Sequence
from operator import attrgetter
from typing import Any, Generic, TypeVar

import msgspec

from billing.errors import BillingError

MAX_RECORDS = 10_000


class Entry(msgspec.Struct, forbid_unknown_fields=True, gc=False):
    """A record as sent. Decimals stay raw text, so that no float ever holds one; times stay text,
    to be read as everywhere else."""

    idempotency_key: str
    workspace_id: str
    resource_type: str
    provider: str
    quantity: msgspec.Raw
    unit_cost: msgspec.Raw | msgspec.UnsetType = msgspec.UNSET
    occurred_at: str | msgspec.UnsetType | None = msgspec.UNSET
    call_id: str | msgspec.UnsetType | None = msgspec.UNSET
    agent_id: str | msgspec.UnsetType | None = msgspec.UNSET
    model: str | msgspec.UnsetType | None = msgspec.UNSET
    cost_currency: str | msgspec.UnsetType | None = msgspec.UNSET
    cost_state: str | msgspec.UnsetType | None = msgspec.UNSET


class RecordError(msgspec.Struct, gc=False):
    """Why the record at `index` was refused."""

    index: int
    code: str
    field: str | None
    detail: str


class MalformedJSON(BillingError):
    code = "malformed_json"


class InvalidEnvelope(BillingError):
    code = "invalid_envelope"


class TooManyRecords(BillingError):
    status = 413
    code = "too_many_records"


_PATH = re.compile(r" - at `\$\.?([a-z_]*)")
_NAMED = re.compile(r"`([^`]*)`")
_UNREADABLE = (msgspec.DecodeError, UnicodeDecodeError, RecursionError)
_BOM = b"\xef\xbb\xbf"
_SPACE = b" \t\r"
_OPEN, _CLOSE = b"{}"
_anything = msgspec.json.Decoder()
_E = TypeVar("_E", bound=msgspec.Struct)


class _RawEnvelope(msgspec.Struct, forbid_unknown_fields=True):
    records: list[msgspec.Raw]


_raw_envelope = msgspec.json.Decoder(_RawEnvelope)


class Parser(Generic[_E]):
    """Reads bodies of one kind of record, a `msgspec.Struct` whose optional fields are `UNSET`.

    The fast way decodes a whole body at once. Whatever it does not like, or may have overlooked,
    is looked at record by record.
    """

    def __init__(self, kind: type[_E]) -> None:
        fields = msgspec.structs.fields(kind)
        self._names = frozenset(field.name for field in fields)
        self._required = sum(field.required for field in fields)
        self._optional = [attrgetter(field.name) for field in fields if not field.required]
        many: Any = list[kind]  # type: ignore[valid-type]
        envelope = msgspec.defstruct("Envelope", [("records", many)], forbid_unknown_fields=True)
        self._envelope: msgspec.json.Decoder[Any] = msgspec.json.Decoder(envelope)
        self._one = msgspec.json.Decoder(kind)

    def json(self, body: bytes) -> Sequence[_E | RecordError]:
        """`{"records": [...]}` as entries, or errors in their places."""
        try:
            entries: Sequence[_E] = self._envelope.decode(body).records
        except _UNREADABLE:
            return self._one_by_one(_raw_records(body))
        _check_count(len(entries))
        if self._may_repeat_names(body, entries):
            return self._one_by_one(_raw_records(body))
        return entries

    def ndjson(self, body: bytes) -> Sequence[_E | RecordError]:
        """One record a line, empty lines passed over; each line is read, or refused, by itself."""
        lines = [
            line for each in body.removeprefix(_BOM).split(b"\n") if (line := each.strip(_SPACE))
        ]
        _check_count(len(lines))
        return self.lines(lines)

    def lines(self, lines: Sequence[bytes]) -> Sequence[_E | RecordError]:
        """Records of a file; `lines` are neither empty nor have spaces around them."""
        # One decode of all lines is several times as fast as one for each. It would also take an
        # object that spans lines, or two on one line. Where each line has both braces none spans
        # any, for no JSON has `}` before `{`; then the count tells that there is one on each.
        if all(line[0] == _OPEN and line[-1] == _CLOSE for line in lines):
            joined = b"\n".join(lines)
            try:
                entries: Sequence[_E] = self._one.decode_lines(joined)
            except _UNREADABLE:
                entries = []
            if len(entries) == len(lines) and not self._may_repeat_names(joined, entries):
                return entries
        return self._one_by_one(lines)

    def single(self, body: bytes) -> _E | RecordError:
        """One record; raises `MalformedJSON` for what is not JSON."""
        try:
            entry = self._one.decode(body)
        except _UNREADABLE:
            _check_syntax(body, "The body is not JSON")
            return self._parse_one(0, body)
        return self._parse_one(0, body) if self._may_repeat_names(body, [entry]) else entry

    def _may_repeat_names(self, body: bytes, entries: Sequence[_E]) -> bool:
        """Whether some object may name a field twice, which the decoder would let pass.

        Every name ends in `":` where no space stands before the colon. With no more of these than
        there are fields, no name is there twice; a text that holds one makes for a second look.
        """
        # One character is looked for many times as fast as two.
        if any(space in body and space + b":" in body for space in (b" ", b"\n", b"\t", b"\r")):
            return True
        names = (self._required + len(self._optional)) * len(entries)
        for field in self._optional:
            names -= list(map(field, entries)).count(msgspec.UNSET)
        envelope = body.count(b'"records":')
        return envelope > 1 or body.count(b'":') - names != envelope

    def _one_by_one(self, records: Iterable[bytes | msgspec.Raw]) -> list[_E | RecordError]:
        return [self._parse_one(index, bytes(record)) for index, record in enumerate(records)]

    def _parse_one(self, index: int, record: bytes) -> _E | RecordError:
        try:
            pairs = json.loads(record, object_pairs_hook=_Pairs, parse_float=str, parse_int=str)
            if isinstance(pairs, _Pairs) and (name := pairs.repeated()):
                field = name if name in self._names else None
                return RecordError(index, "duplicate_key", field, "A field is named twice.")
            return self._one.decode(record)
        except msgspec.ValidationError as error:
            return _explain(index, str(error), self._names)
        except (ValueError, RecursionError) as error:
            return RecordError(index, "malformed_json", None, f"This is not JSON: {error}")


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
    outermost = json.loads(body, object_pairs_hook=_Pairs)
    if outermost.repeated():
        raise InvalidEnvelope("The envelope names its records twice.", field="records")


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


class _Pairs(list[Any]):
    """An object as its name-value pairs, repetitions included."""

    def repeated(self) -> str | None:
        seen = set()
        for name, _ in self:
            if name in seen:
                return str(name)
            seen.add(name)
        return None


def _explain(index: int, message: str, names: frozenset[str]) -> RecordError:
    """msgspec's message as a code and the field it is about."""
    named = _NAMED.search(message)
    path = _PATH.search(message)
    if message.startswith("Object missing required field") and named:
        return RecordError(index, "required", named[1], "This field is required.")
    if message.startswith("Object contains unknown field") and named:
        return RecordError(index, "unknown_field", named[1][:64], "There is no such field.")
    field = path[1] if path and path[1] in names else None
    if field is not None and field.endswith("_at"):
        return RecordError(index, "invalid_time", field, "Must be an ISO 8601 time with an offset.")
    return RecordError(index, "invalid_type", field, message.split(" - at ", maxsplit=1)[0] + ".")


usage_parser = Parser(Entry)
