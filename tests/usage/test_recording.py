"""Recording usage over HTTP: exactly once, priced, attributed, counted."""

import gzip
import json
import uuid
from decimal import Decimal

import pytest
import time_machine
from django.db import DatabaseError, connection, transaction
from django.db.models import Sum

from billing.models import BillingPeriod, PeriodCounter, PlatformSetting
from billing.services.workspaces import update_billing_settings, update_workspace
from tests.kit.api import ApiClient
from tests.kit.personas import NOW, make_workspace
from usage.models import UsageRecord, UsageRollup
from usage.services.ledger import usage_differences

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("noon")]


@pytest.fixture
def noon():
    with time_machine.travel(NOW, tick=False):
        yield


@pytest.fixture
def acme():
    return make_workspace("Acme")


@pytest.fixture
def caller(acme):
    return ApiClient("usage:write", "usage:read")


def use(acme, **facts):
    return {
        "idempotency_key": "call-1:minutes",
        "workspace_id": str(acme.pk),
        "resource_type": "call_minutes",
        "provider": "twilio",
        "quantity": "3.25",
        "unit_cost": "0.0125",
        **facts,
    }


def counted() -> dict:
    return PeriodCounter.objects.aggregate(
        records=Sum("records"), total=Sum("total_cost"), final=Sum("final_cost")
    )


def test_a_record_is_priced_stored_and_answered(acme, caller):
    answer = caller.post("usage/", use(acme, occurred_at="2026-11-20T10:00:00+01:00"))

    assert answer.status_code == 201
    period = BillingPeriod.objects.get()
    assert answer.json() == {
        "id": str(uuid.uuid5(acme.pk, "call-1:minutes")),
        "workspace_id": str(acme.pk),
        "call_id": None,
        "resource_type": "call_minutes",
        "provider": "twilio",
        "quantity": "3.25",
        "billed_quantity": "3.25",
        "model": None,
        "cost_currency": None,
        "exchange_rate": None,
        "cost_state": "final",
        "agent_id": None,
        "rate_id": None,
        "unit_cost": "0.0125",
        "total_cost": "0.0406250000",
        "markup_percentage": "20.0000",
        "final_cost": "0.0487500000",
        "billing_period_id": str(period.pk),
        "late": False,
        "idempotency_key": "call-1:minutes",
        "occurred_at": "2026-11-20T09:00:00Z",
        "created_at": "2026-11-22T09:00:00Z",
    }
    assert counted() == {
        "records": 1,
        "total": Decimal("0.040625"),
        "final": Decimal("0.04875"),
    }
    assert usage_differences() == []


def test_the_same_key_and_payload_again_answers_the_stored_record(acme, caller):
    first = caller.post("usage/", use(acme))
    again = caller.post("usage/", use(acme, quantity=3.250, unit_cost=0.0125))

    assert (first.status_code, again.status_code) == (201, 200)
    assert again.json() == first.json()
    assert counted()["records"] == 1


@pytest.mark.parametrize(
    "changed",
    [
        {"quantity": "3.26"},
        {"unit_cost": "0.0126"},
        {"provider": "telnyx"},
        {"resource_type": "transcription"},
        {"call_id": "5f6ac0ac-8a8e-4f0c-9d0f-2a51d1c5a1aa"},
        {"occurred_at": "2026-11-20T10:00:00Z"},
    ],
)
def test_the_same_key_with_another_payload_is_refused(acme, caller, changed):
    caller.post("usage/", use(acme, occurred_at="2026-11-21T10:00:00Z"))

    answer = caller.post("usage/", use(acme, **changed))

    assert answer.status_code == 409
    assert answer.json()["code"] == "idempotency_key_reused"
    assert counted()["records"] == 1


def test_two_workspaces_may_use_the_same_key(acme, caller):
    globex = make_workspace("Globex")

    assert caller.post("usage/", use(acme)).status_code == 201
    assert caller.post("usage/", use(globex)).status_code == 201


@pytest.mark.parametrize(
    ("facts", "code", "field"),
    [
        ({"quantity": "NaN"}, "invalid_decimal", "quantity"),
        ({"quantity": "Infinity"}, "invalid_decimal", "quantity"),
        ({"quantity": "-1"}, "negative", "quantity"),
        ({"quantity": "1" * 40}, "too_large", "quantity"),
        ({"quantity": "1e400"}, "too_large", "quantity"),
        ({"quantity": "1000000000000"}, "too_large", "quantity"),
        ({"quantity": "0.0000001"}, "too_many_decimals", "quantity"),
        ({"quantity": "1_000"}, "invalid_decimal", "quantity"),
        ({"quantity": " 1"}, "invalid_decimal", "quantity"),
        ({"quantity": "\u0661"}, "invalid_decimal", "quantity"),
        ({"quantity": True}, "invalid_decimal", "quantity"),
        ({"quantity": None}, "invalid_decimal", "quantity"),
        ({"unit_cost": "0.00000000001"}, "too_many_decimals", "unit_cost"),
        ({"unit_cost": "100000000"}, "too_large", "unit_cost"),
        ({"quantity": "999999999999", "unit_cost": "99999999"}, "too_large", "quantity"),
        ({"idempotency_key": ""}, "invalid_key", "idempotency_key"),
        ({"idempotency_key": "k" * 129}, "invalid_key", "idempotency_key"),
        ({"idempotency_key": "a\u0000b"}, "invalid_key", "idempotency_key"),
        ({"idempotency_key": 7}, "invalid_type", "idempotency_key"),
        ({"resource_type": "Call Minutes"}, "invalid_resource_type", "resource_type"),
        ({"provider": ""}, "invalid_provider", "provider"),
        ({"workspace_id": "acme"}, "invalid_uuid", "workspace_id"),
        (
            {"workspace_id": "00000000-0000-4000-8000-000000000000"},
            "unknown_workspace",
            "workspace_id",
        ),
        ({"call_id": "x"}, "invalid_uuid", "call_id"),
        ({"occurred_at": "2026-11-20T10:00:00"}, "naive_time", "occurred_at"),
        ({"occurred_at": "2026-11-22T09:05:01Z"}, "in_the_future", "occurred_at"),
        ({"idempotency_key": " k"}, "invalid_key", "idempotency_key"),
        ({"idempotency_key": "k "}, "invalid_key", "idempotency_key"),
        ({"provider": "twi\u200blio"}, "invalid_provider", "provider"),
        ({"provider": "twilio\u2028"}, "invalid_provider", "provider"),
        ({"resource_type": "call_minutes "}, "invalid_resource_type", "resource_type"),
        ({"occurred_at": "2026-08-24T08:59:59Z"}, "too_old", "occurred_at"),
        ({"occurred_at": "yesterday"}, "invalid_time", "occurred_at"),
        ({"colour": "red"}, "unknown_field", "colour"),
    ],
)
def test_bad_values_are_refused_by_name(acme, caller, facts, code, field):
    answer = caller.post("usage/", use(acme, **facts))

    assert answer.status_code == 400, answer.content
    assert answer["Content-Type"] == "application/problem+json"
    assert answer.json()["errors"][0]["code"] == code
    assert answer.json()["errors"][0]["pointer"] == f"/{field}"
    assert not UsageRecord.objects.exists()


def test_numbers_are_taken_by_their_literal_text(acme, caller):
    body = json.dumps(use(acme, quantity=0)).replace('"quantity": 0', '"quantity": 0.1')

    stored = caller.post("usage/", body.encode()).json()

    assert stored["quantity"] == "0.1"
    assert UsageRecord.objects.get().quantity == Decimal("0.1")


@pytest.mark.parametrize(
    "body",
    [
        b" ",
        b"{",
        b"[]",
        b"null",
        b'{"quantity": NaN}',
        b'{"idempotency_key": "\\ud800"}',
        b'{"idempotency_key": "\xff"}',
        b"[" * 100_000,
    ],
)
def test_what_is_not_a_json_object_is_refused(caller, body):
    answer = caller.post("usage/", body)

    assert answer.status_code == 400
    assert answer.json()["code"] in ("malformed_json", "invalid_type")


@pytest.mark.parametrize("spaces", ["", " ", "\n  "])
def test_a_field_named_twice_is_refused_however_it_is_written(acme, caller, spaces):
    text = json.dumps(use(acme))[:-1] + f', "quantity"{spaces}: "999"}}'

    answer = caller.post("usage/", text.encode())

    assert answer.status_code == 400
    assert answer.json()["code"] == "duplicate_key"
    assert not UsageRecord.objects.exists()


def test_a_batch_accounts_for_every_record_in_order(acme, caller):
    caller.post("usage/", use(acme, idempotency_key="known"))
    records = [
        use(acme, idempotency_key="a"),
        use(acme, idempotency_key="a"),
        use(acme, idempotency_key="a", quantity="9"),
        use(acme, idempotency_key="known"),
        use(acme, idempotency_key="known", quantity="9"),
        use(acme, idempotency_key="bad", quantity="x"),
        {"nothing": "right"},
        use(acme, idempotency_key="b"),
    ]

    answer = caller.post("usage/batch/", {"records": records})

    assert answer.status_code == 200
    body = answer.json()
    assert (body["accepted"], body["duplicates"], body["rejected"]) == (2, 2, 4)
    assert [(error["index"], error["code"], error["field"]) for error in body["errors"]] == [
        (2, "idempotency_key_reused", "idempotency_key"),
        (4, "idempotency_key_reused", "idempotency_key"),
        (5, "invalid_decimal", "quantity"),
        (6, "unknown_field", "nothing"),
    ]
    assert counted()["records"] == 3
    assert usage_differences() == []


def test_a_batch_may_be_sent_again(acme, caller):
    records = [use(acme, idempotency_key=f"k{n}") for n in range(50)]

    caller.post("usage/batch/", {"records": records})
    again = caller.post("usage/batch/", {"records": list(reversed(records))}).json()

    assert (again["accepted"], again["duplicates"], again["rejected"]) == (0, 50, 0)
    assert counted()["records"] == 50


def ndjson(caller, body: bytes, **headers):
    return caller.client.post(
        "/api/v1/usage/batch/", body, content_type="application/x-ndjson", headers=headers
    )


def test_ndjson_is_a_record_a_line(acme, caller):
    lines = "\n".join(json.dumps(use(acme, idempotency_key=f"k{n}")) for n in range(3))

    answer = ndjson(caller, f"{lines}\n\n".encode())

    assert answer.json() == {"accepted": 3, "duplicates": 0, "rejected": 0, "errors": []}


def test_a_line_that_is_not_json_is_refused_by_itself(acme, caller):
    lines = [json.dumps(use(acme, idempotency_key=f"k{n}")).encode() for n in range(4)]
    lines[1] = lines[1][:-30]
    lines[2] = b'{"idempotency_key": "\xff"}'

    answer = ndjson(caller, b"\xef\xbb\xbf" + b"\r\n".join(lines) + b"\n\n")

    body = answer.json()
    assert (body["accepted"], body["rejected"]) == (2, 2)
    assert [(each["index"], each["code"]) for each in body["errors"]] == [
        (1, "malformed_json"),
        (2, "malformed_json"),
    ]


def test_what_spans_lines_is_no_record(acme, caller):
    """Two half lines, and two records on a third, are as many objects as lines."""
    one, two, three = (json.dumps(use(acme, idempotency_key=f"k{n}")) for n in range(3))
    half = one.index(", ")
    body = "\n".join([one[:half], one[half:], f"{two},{three}"]).encode()

    assert ndjson(caller, body).json()["rejected"] == 3
    body = "\n".join([one[:half], one[half:], f"{two} {three}"]).encode()
    assert ndjson(caller, body).json()["rejected"] == 3
    assert not UsageRecord.objects.exists()


def test_a_retry_is_known_whatever_has_happened_since(acme, caller):
    sent = use(acme, occurred_at="2026-11-20T10:00:00Z")
    first = caller.post("usage/", sent)
    assert first.status_code == 201

    with time_machine.travel("2027-11-22T09:00:00Z", tick=False):
        again = caller.post("usage/", sent)
        assert (again.status_code, again.json()) == (200, first.json())
        other = caller.post("usage/", {**sent, "quantity": "4"})
        assert (other.status_code, other.json()["code"]) == (409, "idempotency_key_reused")
        new = caller.post("usage/", {**sent, "idempotency_key": "new"})
        assert (new.status_code, new.json()["code"]) == (400, "too_old")
        batch = caller.post(
            "usage/batch/", {"records": [sent, {**sent, "idempotency_key": "new"}]}
        ).json()
        assert (batch["accepted"], batch["duplicates"], batch["rejected"]) == (0, 1, 1)

    update_workspace(workspace_id=acme.pk, changes={"status": "closed"}, now=NOW)
    again = caller.post("usage/", sent)
    assert (again.status_code, again.json()) == (200, first.json())
    new = caller.post("usage/", {**sent, "idempotency_key": "new"})
    assert (new.status_code, new.json()["code"]) == (409, "workspace_closed")
    assert UsageRecord.objects.count() == 1


def test_a_record_too_old_does_not_spoil_a_good_one_with_its_key(acme, caller):
    batch = [use(acme, occurred_at="2025-01-01T00:00:00Z"), use(acme)]

    answer = caller.post("usage/batch/", {"records": batch}).json()

    assert (answer["accepted"], answer["rejected"]) == (1, 1)
    assert answer["errors"][0]["code"] == "too_old"


def test_a_provider_has_one_name(acme, caller):
    first = caller.post("usage/", use(acme, provider=" Twilio "))
    again = caller.post("usage/", use(acme, provider="twilio"))

    assert first.json()["provider"] == "twilio"
    assert (again.status_code, again.json()) == (200, first.json())
    assert UsageRollup.objects.values_list("provider", flat=True).get() == "twilio"
    found = caller.get("usage/", provider="TWILIO").json()["results"]
    assert [row["id"] for row in found] == [first.json()["id"]]


@pytest.mark.parametrize(
    ("text", "stored"),
    [
        ("2026-11-20T10:00Z", "2026-11-20T10:00:00Z"),
        ("2026-11-20t10:00:00z", "2026-11-20T10:00:00Z"),
        ("2026-11-20 10:00:00+00", "2026-11-20T10:00:00Z"),
        ("2026-11-20T10:00:00+0130", "2026-11-20T08:30:00Z"),
        ("2026-10-31T23:59:59.999999999Z", "2026-10-31T23:59:59.999999Z"),
    ],
)
def test_times_are_read_in_every_form(acme, caller, text, stored):
    answer = caller.post("usage/", use(acme, occurred_at=text))

    assert answer.status_code == 201
    assert answer.json()["occurred_at"] == stored


def test_bodies_may_be_packed(acme, caller):
    body = gzip.compress(json.dumps(use(acme)).encode())

    answer = ndjson(caller, body, **{"Content-Encoding": "gzip"})

    assert answer.json()["accepted"] == 1


@pytest.mark.parametrize(
    ("body", "status", "code"),
    [
        ({"records": []}, 400, "invalid_envelope"),
        ({}, 400, "invalid_envelope"),
        ({"records": {}}, 400, "invalid_envelope"),
        ([], 400, "invalid_envelope"),
        (b"{", 400, "malformed_json"),
        ({"records": [{}] * 10_001}, 413, "too_many_records"),
        (b'{"records":[1],"records":[2]}', 400, "invalid_envelope"),
    ],
)
def test_an_unreadable_envelope_is_refused_whole(caller, body, status, code):
    answer = caller.post("usage/batch/", body)

    assert (answer.status_code, answer.json()["code"]) == (status, code)


def test_the_markup_in_force_is_the_workspaces_else_the_platforms(acme, caller):
    first = caller.post("usage/", use(acme, idempotency_key="a")).json()
    PlatformSetting.objects.filter(name=PlatformSetting.MARKUP).update(value=Decimal("50"))
    second = caller.post("usage/", use(acme, idempotency_key="b")).json()
    update_billing_settings(
        workspace_id=acme.pk, changes={"markup_percentage": Decimal("12.5")}, now=NOW
    )
    third = caller.post("usage/", use(acme, idempotency_key="c")).json()

    prices = [each["final_cost"] for each in (first, second, third)]
    assert prices == ["0.0487500000", "0.0609375000", "0.0457031250"]
    assert caller.post("usage/", use(acme, idempotency_key="a")).json() == first


def test_a_key_bound_to_a_workspace_sees_no_other(acme, caller):
    globex = make_workspace("Globex")
    bound = ApiClient("usage:write", workspace_id=acme.pk)

    alone = bound.post("usage/", use(globex))
    batch = bound.post("usage/batch/", {"records": [use(globex), use(acme)]}).json()

    assert alone.json()["code"] == "unknown_workspace"
    assert (batch["accepted"], batch["errors"][0]["code"]) == (1, "unknown_workspace")


def test_a_closed_workspace_records_nothing_a_suspended_one_does(acme, caller):
    globex = make_workspace("Globex")
    ApiClient().send("PATCH", f"workspaces/{acme.pk}/", {"status": "suspended"})
    ApiClient().send("PATCH", f"workspaces/{globex.pk}/", {"status": "closed"})

    assert caller.post("usage/", use(acme)).status_code == 201
    refused = caller.post("usage/", use(globex))
    assert (refused.status_code, refused.json()["code"]) == (409, "workspace_closed")


def test_usage_of_a_closed_month_is_late_and_enters_the_earliest_open_one(acme, caller):
    october = use(acme, idempotency_key="o1", occurred_at="2026-10-15T10:00:00Z")
    caller.post("usage/", october)
    period = BillingPeriod.objects.get()
    ApiClient().post(f"billing-periods/{period.pk}/finalize/", {})

    late = caller.post(
        "usage/", {**october, "idempotency_key": "o2", "occurred_at": "2026-10-31T22:59:59Z"}
    ).json()
    before = caller.post(
        "usage/", {**october, "idempotency_key": "s1", "occurred_at": "2026-09-02T10:00:00Z"}
    ).json()
    on_time = caller.post(
        "usage/", {**october, "idempotency_key": "n1", "occurred_at": "2026-10-31T23:00:00Z"}
    ).json()

    november = BillingPeriod.objects.get(status="current")
    assert {each["billing_period_id"] for each in (late, before, on_time)} == {str(november.pk)}
    assert [each["late"] for each in (late, before, on_time)] == [True, True, False]
    assert usage_differences() == []


def test_the_day_of_a_use_is_that_of_the_workspaces_clock():
    kathmandu = make_workspace("Himal", timezone="Asia/Kathmandu")
    caller = ApiClient("usage:write")
    # Midnight in Kathmandu is 18:15 UTC.
    for number, at in enumerate(["2026-11-10T18:14:59Z", "2026-11-10T18:15:00Z"]):
        caller.post("usage/", use(kathmandu, idempotency_key=str(number), occurred_at=at))

    days = UsageRollup.objects.order_by("usage_date").values_list("usage_date", flat=True)
    assert [str(day) for day in days] == ["2026-11-10", "2026-11-11"]


@pytest.mark.parametrize(
    "statement",
    [
        "UPDATE usage_usagerecord SET quantity = 0",
        "DELETE FROM usage_usagerecord",
        "TRUNCATE usage_usagerecord",
    ],
)
def test_the_database_refuses_to_change_records(acme, caller, statement):
    caller.post("usage/", use(acme))

    with transaction.atomic(), connection.cursor() as cursor:
        cursor.execute("SET LOCAL usage.allow_truncate = 'off'")
        with pytest.raises(DatabaseError, match="append-only"), transaction.atomic():
            cursor.execute(statement)


def test_the_database_refuses_records_in_a_closed_period(acme, caller):
    record = caller.post("usage/", use(acme, occurred_at="2026-10-15T10:00:00Z")).json()
    ApiClient().post(f"billing-periods/{record['billing_period_id']}/finalize/", {})
    stored = UsageRecord.objects.get()
    stored.pk = uuid.uuid4()

    with pytest.raises(DatabaseError, match="not a current period"), transaction.atomic():
        stored.save(force_insert=True)
