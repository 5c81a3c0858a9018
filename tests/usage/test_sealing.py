"""Closed periods are sealed; what is changed by SQL afterwards is found and named."""

import datetime as dt
import hashlib
import json
from collections.abc import Iterator
from io import StringIO
from pathlib import Path
from typing import Any
from uuid import UUID, uuid4

import pytest
from django.core.management import CommandError, call_command
from django.db import IntegrityError, connection, transaction
from pytest_django import DjangoDbBlocker, Settings

from billing import webhooks
from billing.models import BillingPeriod, PeriodCounter, Workspace
from invoices.services.closing import finalize_due_periods
from tests.kit.by_force import by_force
from tests.kit.closed import DECEMBER_3, NOVEMBER_3, OCTOBER_5, make_closed_months
from tests.kit.kept import kept_for_module
from tests.kit.personas import make_workspace
from tests.kit.usage import make_usage
from usage.models import PeriodSeal, SealChain, SealFingerprints, UsageRecord
from usage.services import sealing
from usage.services.sealing import canonical, seals

pytestmark = pytest.mark.django_db


@pytest.fixture(scope="module")
def closed_months(django_db_setup: None, django_db_blocker: DjangoDbBlocker) -> Iterator[UUID]:
    with kept_for_module(django_db_blocker):
        yield make_closed_months().pk


@pytest.fixture
def acme(closed_months: UUID) -> Workspace:
    return Workspace.objects.get(pk=closed_months)


@pytest.fixture
def sealed(acme: Workspace) -> Workspace:
    assert sealing.seal_closed_periods(now=NOVEMBER_3) == 2
    return acme


def findings(workspace: Workspace, **options: Any) -> list[str]:
    found = sealing.verify_chain(workspace_id=workspace.pk, now=DECEMBER_3, **options)
    return [f"{each.period}: {each.detail}" for each in found]


def record(key: str) -> UsageRecord:
    return UsageRecord.objects.get(idempotency_key=key)


def test_a_seal_holds_the_sums_of_its_records_and_names_the_seal_before_it(sealed: Workspace):
    october, november = PeriodSeal.objects.filter(workspace=sealed)
    # 3.25 x 0.0125 + 10 x 0.01 + 2 x 0.5 = 1.140625, with 20 % 1.36875
    assert (october.sequence, october.records, october.previous_digest) == (1, 3, "")
    assert str(october.total_cost) == "1.1406250000"
    assert str(october.final_cost) == "1.3687500000"
    # The late one; the mistake and its reversal come to nothing.
    assert (november.records, str(november.final_cost)) == (3, "0.0240000000")
    assert (november.sequence, november.previous_digest) == (2, october.digest)
    assert sealing.heads() == [(sealed.pk, 2, november.digest)]
    assert findings(sealed) == []


def test_sealing_again_makes_nothing_and_other_workspaces_have_chains_of_their_own(
    sealed: Workspace,
):
    globex = make_workspace("Globex")
    make_usage(globex, OCTOBER_5, "1", "1")
    finalize_due_periods(now=DECEMBER_3)
    assert sealing.seal_closed_periods(now=NOVEMBER_3) == 2
    assert sealing.seal_closed_periods(now=NOVEMBER_3) == 0
    assert [head.length for head in sealing.heads()] == [2, 2]


def test_an_open_period_is_not_sealed(acme: Workspace):
    december = BillingPeriod.objects.get(workspace=acme, status="current")
    with pytest.raises(sealing.CannotSeal, match="still open"):
        sealing.seal_period(period_id=december.pk, now=DECEMBER_3)
    assert not SealChain.objects.exists()


def test_a_period_whose_records_are_not_what_it_counted_is_not_sealed(acme: Workspace):
    by_force("DELETE FROM usage_usagerecord WHERE idempotency_key = 'call-1'")
    assert sealing.seal_closed_periods(now=NOVEMBER_3) == 1
    october = record("call-3").billing_period_id
    assert not PeriodSeal.objects.filter(billing_period=october).exists()
    with pytest.raises(sealing.CannotSeal, match="counted"):
        sealing.seal_period(period_id=october, now=DECEMBER_3)


ONE_DIGIT = [
    ("quantity", "3.250001"),
    ("unit_cost", "0.0125000001"),
    ("final_cost", "0.0487500001"),
    ("markup_percentage", "20.0001"),
    ("idempotency_key", "call-2"),
    ("provider", "twili0"),
    ("occurred_at", "2026-10-05T12:00:00.000001Z"),
    ("created_at", "2026-10-05T12:00:00.000001Z"),
    ("late", "true"),
    ("usage_date", "2026-10-06"),
    ("call_id", "00000000-0000-0000-0000-000000000000"),
    ("reason", "why not"),
]


@pytest.mark.parametrize(("column", "value"), ONE_DIGIT)
def test_one_digit_of_one_record_changed_is_found_and_the_record_named(
    sealed: Workspace, column: str, value: str
):
    call_1 = record("call-1").pk
    by_force(f"UPDATE usage_usagerecord SET {column} = %s WHERE idempotency_key = 'call-1'", value)
    found = findings(sealed)
    assert f"October 2026: record {call_1} has been changed, or added after the seal" in found
    assert not any("call-3" in each or "November" in each for each in found)


def test_every_column_of_a_record_is_part_of_its_canonical_line():
    columns = [field.column for field in UsageRecord._meta.concrete_fields]
    assert sorted(canonical.COLUMNS) == sorted(columns)


def test_a_dropped_record_is_named_by_its_neighbours(sealed: Workspace):
    october = record("call-3").billing_period_id
    first, second, third = UsageRecord.objects.filter(billing_period=october).order_by("pk")
    by_force("DELETE FROM usage_usagerecord WHERE id = %s", second.pk)
    found = findings(sealed)
    assert "October 2026: 1 of 3 records are gone" in found
    assert any(each.endswith(f"it stood after {first.pk}, before {third.pk}") for each in found)


def test_a_record_moved_to_another_period_is_missed_in_both(sealed: Workspace):
    november = record("mistake").billing_period_id
    moved = record("call-1").pk
    by_force("UPDATE usage_usagerecord SET billing_period_id = %s WHERE id = %s", november, moved)
    found = findings(sealed)
    assert any(each.startswith("October 2026: 2 records where 3 were sealed") for each in found)


def test_a_seal_made_to_fit_is_found_by_its_key(sealed: Workspace):
    """Someone with the database and the documentation, but without the key."""
    by_force("UPDATE usage_usagerecord SET final_cost = 0.01 WHERE idempotency_key = 'late'")
    november = PeriodSeal.objects.get(workspace=sealed, sequence=2)
    blocks = list(seals.fingerprint_blocks(november))
    by_force(
        "UPDATE usage_sealfingerprints SET content = %s WHERE seal_id = %s",
        b"".join(block[0] for block in blocks),
        november.pk,
    )
    november.final_cost = blocks[0][3]
    november.records_digest = hashlib.sha256(blocks[0][0]).hexdigest()
    digest = canonical.digest_of(november)
    by_force(
        "UPDATE usage_periodseal SET final_cost = %s, records_digest = %s, digest = %s"
        " WHERE id = %s",
        november.final_cost,
        november.records_digest,
        digest,
        november.pk,
    )
    by_force("UPDATE usage_sealchain SET head = %s WHERE workspace_id = %s", digest, sealed.pk)
    found = findings(sealed)
    assert any("November 2026: seal 2 was not made with key" in each for each in found)
    assert any("end of the chain: it was not made with key" in each for each in found)


def test_a_chain_cut_short_is_found(sealed: Workspace):
    last = PeriodSeal.objects.get(workspace=sealed, sequence=2)
    head = last.digest
    by_force("DELETE FROM usage_sealfingerprints WHERE seal_id = %s", last.pk)
    by_force("DELETE FROM usage_periodseal WHERE id = %s", last.pk)
    (found,) = findings(sealed)
    assert found == f"end of the chain: it should end with seal 2 ({head}), and ends with seal 1"


def test_a_seal_dropped_from_the_middle_is_found(sealed: Workspace):
    october = PeriodSeal.objects.get(workspace=sealed, sequence=1)
    by_force("DELETE FROM usage_sealfingerprints WHERE seal_id = %s", october.pk)
    by_force("DELETE FROM usage_periodseal WHERE id = %s", october.pk)
    found = findings(sealed)
    assert "November 2026: seal 1 of the chain is missing; number 2 comes next" in found


def test_a_chain_that_was_cut_and_sealed_again_is_found_by_its_anchor(sealed: Workspace):
    anchored = sealing.heads()
    last = PeriodSeal.objects.get(workspace=sealed, sequence=2)
    by_force("DELETE FROM usage_sealfingerprints WHERE seal_id = %s", last.pk)
    by_force("DELETE FROM usage_periodseal WHERE id = %s", last.pk)
    by_force("UPDATE usage_usagerecord SET reason = 'x' WHERE idempotency_key = 'mistake'")
    first = PeriodSeal.objects.get(workspace=sealed, sequence=1)
    key_id, key = next(iter(canonical.key_ids().items()))
    text = canonical.chain_text(sealed.pk, 1, first.digest)
    SealChain.objects.filter(workspace=sealed).update(
        length=1, head=first.digest, key_id=key_id, mac=canonical.mac_of(text, key)
    )
    sealing.seal_closed_periods(now=NOVEMBER_3)
    assert findings(sealed) == []
    (found,) = findings(sealed, anchored=anchored)
    assert found.startswith(f"anchor: seal 2 was anchored as {anchored[0].digest}, and is ")


def test_of_many_chains_the_one_that_was_changed_is_named_and_few_queries_asked(
    acme: Workspace,
    django_assert_max_num_queries: Any,
):
    for name in ("Globex", "Initech", "Umbrella"):
        make_usage(make_workspace(name), OCTOBER_5, "1", "0.5", key=name)
    finalize_due_periods(now=DECEMBER_3)
    assert sealing.seal_closed_periods(now=NOVEMBER_3) == 8
    workspaces = list(Workspace.objects.order_by("name").values_list("pk", flat=True))
    with django_assert_max_num_queries(10):
        assert list(sealing.verify_chains(workspaces, now=DECEMBER_3)) == []

    by_force("UPDATE usage_usagerecord SET final_cost = 0 WHERE idempotency_key = 'Globex'")

    found = list(sealing.verify_chains(workspaces, now=DECEMBER_3))
    assert {each.workspace_id for each in found} == {workspaces[1]}
    changed = f"record {record('Globex').pk} has been changed, or added after the seal"
    assert found[0].detail == changed


def test_a_closed_period_without_a_seal_is_named_once_its_seal_is_late(acme: Workspace):
    found = sealing.verify_chain(workspace_id=acme.pk, now=DECEMBER_3 + dt.timedelta(hours=3))
    assert [each.period for each in found] == ["October 2026", "November 2026"]
    assert "has no seal" in found[0].detail


def test_what_was_closed_long_ago_is_sealed_by_hand_only(acme: Workspace):
    later = DECEMBER_3 + dt.timedelta(days=30)
    assert sealing.seal_closed_periods(now=later) == 0
    with pytest.raises(CommandError):
        call_command("verify_ledger", stdout=StringIO())
    out = StringIO()
    call_command("verify_ledger", "--seal-missing", stdout=out)
    assert out.getvalue() == "2 seals of 1 workspaces are as they were made\n"


@pytest.mark.parametrize(
    "statement",
    [
        "UPDATE usage_periodseal SET records = 0",
        "DELETE FROM usage_periodseal",
        "UPDATE usage_sealfingerprints SET position = 7",
        "DELETE FROM usage_sealfingerprints",
        "TRUNCATE usage_periodseal CASCADE",
    ],
)
def test_seals_are_append_only_for_sql_too(sealed: Workspace, statement: str):
    with transaction.atomic(), connection.cursor() as cursor:
        cursor.execute("SET CONSTRAINTS ALL IMMEDIATE")
        cursor.execute("SET LOCAL usage.allow_truncate = 'off'")
        with pytest.raises(IntegrityError, match="append-only"), transaction.atomic():
            cursor.execute(statement)
        cursor.execute("SET CONSTRAINTS ALL DEFERRED")


def test_a_key_that_was_replaced_still_proves_its_seals(acme: Workspace, settings: Settings):
    settings.SEAL_KEYS = ["old"]
    sealing.seal_closed_periods(now=NOVEMBER_3)
    settings.SEAL_KEYS = ["new", "old"]
    assert findings(acme) == []
    settings.SEAL_KEYS = ["new"]
    assert all("which is none of SEAL_KEYS" in each for each in findings(acme))
    assert len(findings(acme)) == 3


def test_without_a_key_of_its_own_one_is_derived_from_the_secret_key(
    sealed: Workspace, settings: Settings
):
    settings.SECRET_KEY_FALLBACKS = [settings.SECRET_KEY]
    settings.SECRET_KEY = "another"
    assert findings(sealed) == []
    settings.SECRET_KEY_FALLBACKS = []
    assert len(findings(sealed)) == 3


def test_fingerprints_in_several_blocks_have_the_same_digest(
    acme: Workspace, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setattr(seals, "BLOCK_RECORDS", 2)
    sealing.seal_closed_periods(now=NOVEMBER_3)
    assert SealFingerprints.objects.count() == 4
    monkeypatch.undo()
    assert findings(acme) == []


def test_the_counters_of_a_closed_period_are_kept(acme: Workspace):
    assert PeriodCounter.objects.filter(period__workspace=acme, is_open=False).exists()


def test_heads_are_anchored_in_a_file_and_by_mail_once(
    sealed: Workspace, tmp_path: Path, settings: Settings
):
    path = tmp_path / "heads.ndjson"
    settings.SEAL_ANCHOR_FILE, settings.SEAL_ANCHOR_EMAIL = str(path), "audit@acme.test"
    assert sealing.anchor_heads(now=DECEMBER_3) == 1
    assert sealing.anchor_heads(now=DECEMBER_3) == 0
    (line,) = path.read_text().splitlines()
    head = sealing.heads()[0]
    assert json.loads(line) == {
        "workspace_id": str(sealed.pk),
        "length": 2,
        "digest": head.digest,
    }
    call_command("verify_ledger", "--anchors", str(path), stdout=StringIO())
    path.write_text(line.replace(head.digest, "0" * 64))
    with pytest.raises(CommandError, match="1 differences"):
        call_command("verify_ledger", "--anchors", str(path), stdout=StringIO())


def test_heads_are_posted_and_what_did_not_arrive_is_posted_again(
    sealed: Workspace, settings: Settings, monkeypatch: pytest.MonkeyPatch
):
    settings.SEAL_ANCHOR_URL = "https://notary.example.com/heads"
    sent: list[tuple[str, bytes]] = []

    def post(url: str, body: bytes, headers: object) -> None:
        sent.append((url, body))
        if len(sent) == 1:
            raise webhooks.NotDelivered("It answers 503.")

    monkeypatch.setattr(webhooks, "post", post)
    with pytest.raises(webhooks.NotDelivered):
        sealing.anchor_heads(now=DECEMBER_3)
    assert sealing.anchor_heads(now=DECEMBER_3) == 1
    assert sealing.anchor_heads(now=DECEMBER_3) == 0

    assert sent[0] == sent[1]
    assert sent[1][0] == settings.SEAL_ANCHOR_URL
    assert json.loads(sent[1][1])["digest"] == sealing.heads()[0].digest


def test_bad_arguments_are_named(tmp_path: Path):
    with pytest.raises(CommandError, match="cannot be read"):
        call_command("verify_ledger", "--anchors", str(tmp_path / "none"))
    (tmp_path / "bad").write_text('{"length": 1}\n')
    with pytest.raises(CommandError, match=r"line 1 of .* is no anchored head"):
        call_command("verify_ledger", "--anchors", str(tmp_path / "bad"))
    with pytest.raises(CommandError, match="There is no workspace"):
        call_command("verify_ledger", "--workspace", str(uuid4()))
    (tmp_path / "file").write_text("")
    make_workspace("Acme")
    with pytest.raises(CommandError, match="cannot be written"):
        call_command("verify_ledger", "--export", str(tmp_path / "file"))
