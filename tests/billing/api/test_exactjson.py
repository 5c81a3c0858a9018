import datetime as dt
from decimal import Decimal
from uuid import UUID

import pytest

from billing.api import exactjson
from billing.api.exactjson import MalformedJson


def test_a_number_is_its_literal_text():
    document = exactjson.loads(b'{"a": 0.1, "b": 12345678901234567890.12345678901, "c": 3}')

    assert document == {
        "a": Decimal("0.1"),
        "b": Decimal("12345678901234567890.12345678901"),
        "c": 3,
    }
    assert str(document["a"]) == "0.1"


@pytest.mark.parametrize(
    ("body", "says"),
    [
        (b"", "empty"),
        (b" \n", "empty"),
        (b"{", "not JSON"),
        (b'{"a": 1} x', "not JSON"),
        (b"\xff\xfe{}", "not UTF-8"),
        (b"\xef\xbb\xbf{}", "not JSON"),
        (b'{"a": NaN}', "NaN is not JSON"),
        (b'{"a": -Infinity}', "-Infinity is not JSON"),
        (b'{"a": 1, "a": 2}', "stands twice"),
        (b'{"x": [{"a": 1, "a": 1}]}', "stands twice"),
        (b'{"a": "\\u0000"}', "NUL"),
        (b'{"a": [["\\u0000"]]}', "NUL"),
        (b'{"\\u0000": 1}', "NUL"),
        (b'{"a": "\\ud800"}', "surrogate"),
        (b'{"a": "x\ny"}', "not JSON"),
        (b'{"a": ' + b"9" * 5_000 + b"}", "200 characters"),
        (b'{"a": 1e99999999999999999999}', "out of all bounds"),
        (b"[" * 200_000, "nested too deeply"),
        (b'{"a":' * 100_000, "nested too deeply"),
    ],
)
def test_what_readers_could_take_differently_is_refused(body: bytes, says: str):
    with pytest.raises(MalformedJson, match=says):
        exactjson.loads(body)


def test_decimals_go_out_plain_and_times_in_utc():
    berlin = dt.timezone(dt.timedelta(hours=1))

    text = exactjson.dumps(
        {
            "price": Decimal("1E-7"),
            "many": Decimal("1E+3"),
            "at": dt.datetime(2026, 11, 22, 10, 30, tzinfo=berlin),
            "day": dt.date(2026, 11, 22),
            "id": UUID(int=1),
            "name": "Zürich",
        }
    )

    assert text.decode() == (
        '{"price":"0.0000001","many":"1000","at":"2026-11-22T09:30:00Z","day":"2026-11-22",'
        '"id":"00000000-0000-0000-0000-000000000001","name":"Zürich"}'
    )


def test_a_float_never_goes_out_as_not_a_number():
    with pytest.raises(ValueError, match="JSON compliant"):
        exactjson.dumps({"rate": float("nan")})
