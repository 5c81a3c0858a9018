"""What must stay true for usage records to be partitioned or distributed by workspace."""

import ast
import re
from pathlib import Path
from uuid import uuid4

import pytest
from django.conf import settings
from django.db import connection
from django.test.utils import CaptureQueriesContext

from invoices.models import InvoiceItem
from invoices.queries import proof_of, records_behind
from tests.kit.api import ApiClient
from tests.kit.invoices import issue_invoice
from tests.kit.partitions import one_table_again
from tests.kit.personas import NOW, make_period, make_workspace, member_client
from tests.kit.usage import make_call, make_usage
from usage.services.ingest import known, statement
from usage.services.partitioning import partition_records

_APPS = ("billing", "usage", "invoices", "analytics")
# What divides the table names it in other ways than what uses it.
_DDL = ("partitioning.py", "distribution.py")


@pytest.mark.django_db
def test_every_unique_key_holds_the_workspace():
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT pg_get_indexdef(indexrelid) FROM pg_index"
            " WHERE indrelid = 'usage_usagerecord'::regclass AND indisunique"
        )
        unique = [row[0] for row in cursor]
    assert len(unique) == 3
    assert [index for index in unique if not re.search(r"\(workspace_id, \w+\)", index)] == []


@pytest.mark.django_db
def test_nothing_on_the_table_keeps_it_from_being_distributed():
    with connection.cursor() as cursor:
        # Foreign keys from and to it, and exclusion constraints.
        cursor.execute(
            "SELECT conname FROM pg_constraint WHERE contype IN ('f', 'x')"
            " AND 'usage_usagerecord'::regclass IN (conrelid, confrelid)"
        )
        constraints = cursor.fetchall()
        # Numbers from one sequence would have to come from one server.
        cursor.execute(
            "SELECT attname FROM pg_attribute"
            " WHERE attrelid = 'usage_usagerecord'::regclass AND attnum > 0"
            " AND (attidentity <> '' OR atthasdef)"
        )
        defaults = cursor.fetchall()
    assert (constraints, defaults) == ([], [])


def statements() -> list[tuple[str, str]]:
    """Every statement in the code that names the table, by where it stands."""
    found = []
    for app in _APPS:
        for path in sorted((Path(settings.BASE_DIR) / app).rglob("*.py")):
            if "migrations" in path.parts or path.name in _DDL:
                continue
            for node in ast.walk(ast.parse(path.read_text())):
                if isinstance(node, ast.JoinedStr):
                    text = "".join(
                        each.value if isinstance(each, ast.Constant) else " x "
                        for each in node.values
                    )
                elif isinstance(node, ast.Constant) and isinstance(node.value, str):
                    text = node.value
                else:
                    continue
                if re.search(r"(FROM|JOIN|INTO|UPDATE|COPY|TABLE)\s+usage_usagerecord", text):
                    found.append((f"{path.name}:{node.lineno}", text))
    found += [
        (name, text.decode() if isinstance(text := getattr(statement, name), bytes) else text)
        for name in ("NEW", "SKIP", "SINGLE", "CORRECTION", "COPY", "INSERT_ROWS")
    ]
    return found


def test_no_statement_locks_edits_or_looks_into_rows_of_the_table():
    seen = statements()
    assert len(seen) >= 10
    for where, text in seen:
        assert not re.search(r"(UPDATE|DELETE FROM|TRUNCATE)\s+usage_usagerecord", text), where
        # In the write, the locks and versions are those of periods, counters and settings.
        part = text
        if where in ("NEW", "SKIP", "SINGLE", "CORRECTION"):
            part = re.search(r"INSERT INTO usage_usagerecord.*?RETURNING", text)[0]
            assert " JOIN " not in part, where
        assert "FOR UPDATE" not in part, where
        assert "FOR SHARE" not in part, where
        assert not re.search(r"usagerecord\w*\.(xmin|ctid)", part), where


def partitions_in(plan: str) -> set[str]:
    return set(re.findall(r"on (usage_usagerecord_p\d+)", plan))


def explained(sql: str) -> str:
    with connection.cursor() as cursor:
        cursor.execute(f"EXPLAIN {sql}")
        return "\n".join(row[0] for row in cursor)


@pytest.mark.django_db(transaction=True)
def test_whoever_looks_at_one_workspace_touches_one_partition():
    acme = make_workspace("Acme")
    october = NOW.replace(month=10, day=5)
    call = make_call(acme, october)
    make_usage(acme, october, "10", "1", call_id=call)
    make_usage(acme, october, "10", "1", key="again")
    invoice = issue_invoice(make_period(acme, october))
    partition_records(parts=8)
    try:
        bound = ApiClient(workspace_id=acme.pk)
        everyone = ApiClient()
        owner = member_client(acme)
        with CaptureQueriesContext(connection) as queries:
            for caller, named in ((bound, {}), (everyone, {"workspace_id": acme.pk})):
                record = caller.get("usage/", **named).json()["results"][0]["id"]
                caller.get("usage/", **named, provider="twilio", occurred_after=october.isoformat())
                caller.get("usage/", **named, call_id=call)
                caller.get("usage/", billing_period_id=invoice.billing_period_id)
                caller.get(f"usage/{record}/", **named)
                caller.get(f"calls/{call}/receipt/")
            bound.post(f"usage/{record}/void/", {"reason": "wrong"})
            for page in ("usage/", f"usage/?call={call}", "usage/export/", f"calls/{call}/"):
                answer = owner.get(f"/w/{acme.pk}/{page}")
                b"".join(answer.streaming_content) if answer.streaming else answer.content
            for item in InvoiceItem.objects.filter(invoice=invoice):
                list(records_behind(item))
                proof_of(item)
        looks = [
            each["sql"]
            for each in queries
            if '"usage_usagerecord"' in each["sql"] and each["sql"].startswith("SELECT")
        ]
        assert len(looks) > 15
        for look in looks:
            assert len(partitions_in(explained(look))) == 1, look

        # With its plan made before its values are known, as for every known key.
        with connection.cursor() as cursor:
            cursor.execute("SET plan_cache_mode = force_generic_plan")
            one = known._EXISTING.replace("%s", "$1", 1).replace("%s", "$2", 1)
            cursor.execute(f"PREPARE existing AS {one}")
            plan = explained(f"EXECUTE existing ('{acme.pk}', ARRAY['{uuid4()}']::uuid[])")
            cursor.execute("DEALLOCATE existing")
            cursor.execute("RESET plan_cache_mode")
        assert len(partitions_in(plan)) == 1
        assert "Subplans Removed: 7" in plan
    finally:
        one_table_again()
