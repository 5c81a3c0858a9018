import datetime as dt
from copy import copy
from itertools import chain
from uuid import uuid4

import pytest
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext

from tests.kit.api import ApiClient, pages_of, problem_of, refusal
from tests.kit.personas import make_period, make_workspace
from tests.kit.usage import insert_record, make_usage
from usage.models import UsageRecord

pytestmark = pytest.mark.django_db
OCTOBER = dt.datetime(2026, 10, 10, tzinfo=dt.UTC)


def ids(rows) -> list[str]:
    return [str(row["id"]) if isinstance(row, dict) else str(row.pk) for row in rows]


def found(caller: ApiClient, **query) -> list[str]:
    return ids(caller.get("usage/", **query).json()["results"])


def test_a_record_is_shown_as_stored():
    period = make_period(make_workspace())
    record = insert_record(period, "2026-11-05T10:00:00.5+00:00", "0.0125", call_id=uuid4())
    caller = ApiClient("usage:read", "billing:read")

    shown = caller.get(f"usage/{record.pk}/").json()

    assert shown == {
        "id": str(record.pk),
        "workspace_id": str(period.workspace_id),
        "call_id": str(record.call_id),
        "resource_type": "call_minutes",
        "provider": "twilio",
        "quantity": "1",
        "unit_cost": "0.0125",
        "total_cost": "0.0125000000",
        "markup_percentage": "0.0000",
        "final_cost": "0.0125000000",
        "billing_period_id": str(period.pk),
        "late": False,
        "idempotency_key": record.idempotency_key,
        "occurred_at": "2026-11-05T10:00:00.500000Z",
        "created_at": "2026-11-22T09:00:00Z",
        "billed_quantity": "1",
        "model": None,
        "cost_currency": None,
        "exchange_rate": None,
        "cost_state": "final",
        "agent_id": None,
        "rate_id": None,
        "reverses_id": None,
        "trues_up_id": None,
        "reason": None,
    }
    assert caller.get("usage/").json()["results"] == [shown]


def test_records_of_one_workspace_come_newest_first_page_by_page():
    acme = make_workspace()
    period = make_period(acme)
    same_time = [insert_record(period, "2026-11-03T00:00:00+00:00") for _ in range(5)]
    older = insert_record(period, "2026-11-02T00:00:00+00:00")
    newer = insert_record(period, "2026-11-04T00:00:00+00:00")
    by_id = sorted(same_time, key=lambda record: record.pk, reverse=True)

    pages = pages_of(
        ApiClient("usage:read", "billing:read"), "usage/", workspace_id=acme.pk, limit=2
    )

    assert [len(page) for page in pages] == [2, 2, 2, 1]
    assert ids(chain(*pages)) == ids([newer, *by_id, older])


def test_records_of_all_workspaces_come_workspace_by_workspace():
    expected = []
    for owner in sorted((make_workspace(name) for name in ("acme", "globex")), key=lambda w: w.pk):
        period = make_period(owner)
        newest_first = [
            insert_record(period, f"2026-11-0{day}T00:00:00+00:00") for day in (5, 4, 3)
        ]
        expected += newest_first

    pages = pages_of(ApiClient("usage:read", "billing:read"), "usage/", limit=2)

    assert [len(page) for page in pages] == [2, 2, 2]
    assert ids(chain(*pages)) == ids(expected)


def test_a_period_lists_its_late_usage_too_and_in_order():
    acme = make_workspace()
    october, november = make_period(acme, OCTOBER), make_period(acme)
    insert_record(october, "2026-10-05T00:00:00+00:00")
    late = [insert_record(november, f"2026-10-0{day}T00:00:00+00:00", late=True) for day in (6, 4)]
    in_time = [insert_record(november, f"2026-11-0{day}T00:00:00+00:00") for day in (6, 4)]
    caller = ApiClient("usage:read", "billing:read")

    pages = pages_of(caller, "usage/", billing_period_id=november.pk, limit=1)

    assert ids(chain(*pages)) == ids(in_time + late)
    assert found(caller, billing_period_id=november.pk, late="true") == ids(late)
    assert found(caller, billing_period_id=uuid4()) == []


def test_records_are_filtered_by_what_they_are():
    acme = make_workspace()
    period = make_period(acme)
    call_id = uuid4()
    first = insert_record(
        period, "2026-11-05T10:00:00+00:00", resource_type="synthesis", call_id=call_id
    )
    second = insert_record(period, "2026-11-05T11:00:00+00:00", provider="telnyx")
    caller = ApiClient("usage:write")

    assert found(caller, resource_type="synthesis") == ids([first])
    assert found(caller, provider="telnyx") == ids([second])
    assert found(caller, call_id=call_id) == ids([first])
    assert found(caller, occurred_after="2026-11-05T11:00:00Z") == ids([second])
    assert found(caller, occurred_before="2026-11-05T12:00:00+01:00") == ids([first])
    assert found(caller, workspace_id=uuid4()) == []
    assert found(caller, provider="nobody") == []


def test_a_rare_kind_is_looked_for_only_where_it_is():
    acme = make_workspace("Acme", timezone="Pacific/Kiritimati")
    for day in (3, 4, 5):
        make_usage(acme, dt.datetime(2026, 11, day, 0, 30, tzinfo=dt.UTC), "1", "1")
    at = dt.datetime(2026, 11, 4, 23, 59, tzinfo=dt.UTC)
    make_usage(acme, at, "1", "1", resource_type="sms", provider="plivo")
    caller = ApiClient("usage:read", "billing:read")

    for query in ({"workspace_id": acme.pk}, {"billing_period_id": make_period(acme).pk}):
        for kind in ({"resource_type": "sms"}, {"provider": "plivo"}):
            rows = caller.get("usage/", **query, **kind).json()["results"]
            assert [row["occurred_at"] for row in rows] == ["2026-11-04T23:59:00Z"]
        with CaptureQueriesContext(connection) as queries:
            assert found(caller, **query, resource_type="fax") == []
        assert not [q for q in queries if "usage_usagerecord" in q["sql"]]


@pytest.mark.parametrize(
    "query",
    [
        {"workspace_id": "acme"},
        {"billing_period_id": "now"},
        {"call_id": "1"},
        {"late": "perhaps"},
        {"occurred_after": "2026-11-05"},
        {"occurred_before": "2026-11-05T00:00:00"},
        {"provider": "x" * 65},
        {"provider": "a\x00b"},
        {"type": "synthesis"},
        {"limit": "-1"},
        {"cursor": "bm90aGluZw"},
        {"cursor": "W2ZhbHNlLG51bGwsWyIyMDI2Il1d"},
        {"cursor": "W2ZhbHNlLG51bGwsWyJ4IiwieSJdXQ"},
        {"cursor": "é"},
    ],
)
def test_parameters_that_cannot_be_read_are_named(query):
    refused = ApiClient("usage:read", "billing:read").get("usage/", **query)

    assert refusal(refused) == (400, "invalid_parameter")
    assert [error["parameter"] for error in problem_of(refused)["errors"]] == list(query)


def test_a_page_costs_few_queries(django_assert_num_queries):
    acme = make_workspace()
    period = make_period(acme)
    for day in range(1, 9):
        insert_record(period, f"2026-11-0{day}T00:00:00+00:00")
    caller = ApiClient("usage:read", "billing:read")
    first = caller.get("usage/", limit=3).json()

    with django_assert_num_queries(1):
        caller.get("usage/", workspace_id=acme.pk)
    with django_assert_num_queries(1):
        caller.client.get(first["next"])
    with django_assert_num_queries(3):  # the period, its records in time, its late ones
        caller.get("usage/", billing_period_id=period.pk)


def test_a_period_is_read_along_the_index_of_its_workspace():
    acme = make_workspace()
    period = make_period(acme)
    record = insert_record(period, "2026-11-05T10:00:00+00:00")
    # Enough of them that what is rare, late usage, is better looked for by itself.
    many = [copy(record) for _ in range(2000)]
    for each in many:
        each.pk = uuid4()
    UsageRecord.objects.bulk_create(many)
    caller = ApiClient("usage:read", "billing:read")
    with CaptureQueriesContext(
        connection,
    ) as queries:
        caller.get("usage/", billing_period_id=period.pk)
    statements = [q["sql"] for q in queries if "usage_usagerecord" in q["sql"]]
    assert len(statements) == 2

    plans = []
    with connection.cursor() as cursor:
        cursor.execute("ANALYZE usage_usagerecord")
        cursor.execute("SET LOCAL enable_seqscan = off")
        for statement in statements:
            cursor.execute(f"EXPLAIN {statement}")
            plans.append("\n".join(row[0] for row in cursor))

    in_time, late = plans
    assert "usage_of_workspace" in in_time
    assert "Sort" not in in_time
    assert "late_usage_of_period" in late


def test_another_workspaces_usage_does_not_exist():
    acme, globex = make_workspace("Acme"), make_workspace("Globex")
    mine = insert_record(make_period(acme), "2026-11-05T10:00:00+00:00")
    theirs = insert_record(make_period(globex), "2026-11-05T10:00:00+00:00")
    caller = ApiClient(workspace_id=acme.pk)

    assert found(caller) == ids([mine])
    assert found(caller, workspace_id=globex.pk) == []
    assert found(caller, billing_period_id=theirs.billing_period_id) == []
    assert caller.get(f"usage/{mine.pk}/").status_code == 200
    assert refusal(caller.get(f"usage/{theirs.pk}/")) == (404, "not_found")
    assert refusal(caller.get(f"usage/{uuid4()}/")) == (404, "not_found")


def test_members_read_the_usage_of_all_their_workspaces():
    acme, globex, initech = (make_workspace(name) for name in ("acme", "globex", "initech"))
    expected = [insert_record(make_period(w), "2026-11-05T10:00:00+00:00") for w in (acme, globex)]
    insert_record(make_period(initech), "2026-11-05T10:00:00+00:00")
    user = acme.members.get()
    globex.memberships.create(user=user, role="viewer")
    client = Client()
    client.force_login(user)

    rows = client.get("/api/v1/usage/").json()["results"]

    assert sorted(ids(rows)) == sorted(ids(expected))


def test_usage_needs_a_usage_scope():
    caller = ApiClient("billing:read", "billing:write", "workspaces:write")

    assert refusal(caller.get("usage/")) == (403, "missing_scope")
    assert refusal(caller.get(f"usage/{uuid4()}/")) == (403, "missing_scope")
