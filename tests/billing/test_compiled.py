"""Compiled queries give what their querysets would, for whatever values."""

import datetime as dt
from uuid import uuid4

import pytest
from django.db import DataError, connection
from django.db.models import Count, Q
from django.test.utils import CaptureQueriesContext

from billing.compiled import CompiledQuery, aggregated
from billing.models import BillingPeriod, Workspace, WorkspaceMember
from billing.queries import with_totals
from billing.services.periods import open_period
from tests.kit import personas

pytestmark = pytest.mark.django_db


def test_each_call_has_its_own_values_and_related_rows():
    members = CompiledQuery[WorkspaceMember](
        lambda workspace_id, role: (
            WorkspaceMember.objects.filter(workspace_id=workspace_id, role=role)
            .select_related("workspace__tier", "user")
            .order_by("user__email")
        )
    )
    acme, other = personas.make_workspace(), personas.make_workspace("Other")
    for workspace in (acme, other, acme):
        with CaptureQueriesContext(connection) as asked:
            (found,) = members(workspace.pk, "owner")
            assert found.workspace.tier == workspace.tier
        assert found == WorkspaceMember.objects.get(workspace=workspace)
        assert len(asked) == 1
    assert members(acme.pk, "viewer") == []
    assert members.first(acme.pk, "viewer") is None


def test_what_completes_and_prefetches_a_queryset_does_so_each_time():
    acme = personas.make_workspace()
    open_period(workspace_id=acme.pk, at=personas.NOW, now=personas.NOW)
    periods = CompiledQuery[BillingPeriod](
        lambda workspace_id, until: with_totals(
            BillingPeriod.objects.filter(workspace_id=workspace_id, period_start__lt=until)
        ).prefetch_related("invoices")
    )
    assert periods(acme.pk, personas.NOW - dt.timedelta(days=60)) == []
    for _ in range(2):
        (found,) = periods(acme.pk, personas.NOW)
        assert found.live_total == found.live_fee == 49
        assert found._prefetched_objects_cache["invoices"]._result_cache == []


def test_values_without_their_model():
    keys = CompiledQuery[str](
        lambda number: WorkspaceMember.objects.filter(user_id=number).values_list("role", flat=True)
    )
    member = WorkspaceMember.objects.get(workspace=personas.make_workspace())
    assert keys(member.user_id) == ["owner"]
    assert keys(member.user_id + 1) == []


def test_a_value_that_is_looked_at_too_early_is_refused():
    lost = CompiledQuery[WorkspaceMember](
        lambda day: WorkspaceMember.objects.filter(user__date_joined__year=day.year)
    )
    with pytest.raises(ValueError, match="not in its SQL"):
        lost(dt.date(2026, 11, 1))


def test_sums_of_all_rows_are_one_row_also_where_there_is_none():
    roles = CompiledQuery[dict[str, int]](
        lambda workspace_id, role: aggregated(
            WorkspaceMember.objects.filter(workspace_id=workspace_id).order_by("role"),
            members=Count("pk"),
            such=Count("pk", filter=Q(role=role)),
        )
    )
    acme = personas.make_workspace()
    assert roles.one(acme.pk, "owner") == {"members": 1, "such": 1}
    assert roles.one(acme.pk, "viewer") == {"members": 1, "such": 0}
    assert roles.one(uuid4(), "owner") == {"members": 0, "such": 0}


# Another column for each: what one test has asked is still prepared in the next.
@pytest.mark.parametrize(
    ("column", "plan_each", "kept"), [("currency", False, 1), ("timezone", True, 0)]
)
def test_the_server_keeps_the_plan_of_what_is_asked_often(column: str, plan_each: bool, kept: int):
    names = CompiledQuery[str](
        lambda key: Workspace.objects.filter(pk=key).values_list(column, flat=True),
        plan_each=plan_each,
    )
    acme = personas.make_workspace()
    for _ in range(7):
        assert names(acme.pk) == [getattr(acme, column)]
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT count(*) FROM pg_prepared_statements WHERE statement LIKE %s",
            [f'SELECT "billing_workspace"."{column}" AS "{column}" FROM%'],
        )
        assert cursor.fetchone() == (kept,)


def test_the_log_of_statements_has_their_values():
    acme = personas.make_workspace()
    of = CompiledQuery[Workspace](lambda key: Workspace.objects.filter(pk=key))
    with CaptureQueriesContext(connection) as asked:
        of(acme.pk)
    assert acme.pk.hex in asked[0]["sql"].replace("-", "")


def test_times_are_read_to_the_microsecond_and_what_is_none_is_refused():
    with connection.cursor() as cursor:
        cursor.execute("SELECT '2026-11-30 23:59:59.00012+05:45'::timestamptz")
        at = dt.datetime(2026, 11, 30, 18, 14, 59, 120, tzinfo=dt.UTC)
        assert cursor.fetchone() == (at,)
        cursor.execute("SELECT 'infinity'::timestamptz")
        with pytest.raises(DataError):
            cursor.fetchone()
