"""Disputes of calls: opened by owners, decided by finance or by rule, given back once."""

import datetime as dt
from decimal import Decimal
from threading import Barrier, Thread
from uuid import UUID

import pytest
from django.db import IntegrityError, connection, transaction
from pytest_django import Settings

from billing.errors import Invalid
from billing.models import Email, User, Workspace
from invoices.models import CreditNote, Invoice
from invoices.payments.models import CallDispute
from invoices.payments.services import settle
from invoices.payments.services.call_disputes import (
    AlreadyDisputed,
    NotOpen,
    approve_dispute,
    open_dispute,
    refuse_dispute,
    withdraw_dispute,
)
from invoices.payments.services.call_disputes.facts import price_of, records_of
from invoices.payments.services.ledger.settlements import settlement_differences
from invoices.services.closing import finalize_due_periods
from invoices.services.ledger import close_differences
from tests.kit.api import ApiClient
from tests.kit.personas import make_agent, make_period, make_workspace, member_client
from tests.kit.staff import finance_client, press
from tests.kit.usage import make_call, make_usage
from usage.models import Call, UsageRecord
from usage.services.ledger import Scope
from usage.services.voiding import void_record

OCTOBER_5 = dt.datetime(2026, 10, 5, 12, tzinfo=dt.UTC)
OCTOBER_6 = dt.datetime(2026, 10, 6, 12, tzinfo=dt.UTC)
NOVEMBER_3 = dt.datetime(2026, 11, 3, 12, tzinfo=dt.UTC)
NOVEMBER_9 = dt.datetime(2026, 11, 9, 12, tzinfo=dt.UTC)
DECEMBER_3 = dt.datetime(2026, 12, 3, 12, tzinfo=dt.UTC)
FINANCE = "fay@finance.test"


@pytest.fixture
def acme(db: None) -> Workspace:
    return make_workspace("Acme")


def a_call(acme: Workspace, *costs: str) -> UUID:
    """Of 90 seconds, with a use of each cost, 20 % on top."""
    make_period(acme, OCTOBER_5)
    call = make_call(acme, OCTOBER_5)
    for number, cost in enumerate(costs or ("10",)):
        make_usage(acme, OCTOBER_5, "1", cost, call_id=call, key=f"{call}-{number}")
    return call


def disputed(acme: Workspace, call: UUID, now: dt.datetime = OCTOBER_6) -> CallDispute:
    dispute, created = open_dispute(
        workspace_id=acme.pk,
        call_id=call,
        reason="dropped",
        text="It broke off",
        opened_by="owner@acme.test",
        now=now,
    )
    assert created
    return dispute


def billed(acme: Workspace) -> Invoice:
    assert finalize_due_periods(now=NOVEMBER_3).failed == []
    invoice = Invoice.objects.get(workspace=acme)
    settle.mark_open(
        invoice_id=invoice.pk, stripe_invoice_id="in_1", hosted_invoice_url="", now=NOVEMBER_3
    )
    return Invoice.objects.get(workspace=acme)


def approve(dispute: CallDispute, now: dt.datetime = OCTOBER_6, **more: object) -> CallDispute:
    return approve_dispute(dispute_id=dispute.pk, by=FINANCE, now=now, **more)  # type: ignore[arg-type]


def price(acme: Workspace, call: UUID) -> Decimal:
    return price_of(records_of(acme.pk, call))


def differences() -> list[str]:
    return [str(each) for each in (*close_differences(), *settlement_differences(Scope()))]


def test_of_an_open_month_the_calls_usage_is_taken_back(acme: Workspace) -> None:
    call = a_call(acme, "10", "5")
    decided = approve(disputed(acme, call), decision="Sorry for that.")
    assert (decided.state, decided.amount, decided.credit_note) == ("approved", Decimal(18), None)
    assert price(acme, call) == 0
    assert UsageRecord.objects.filter(reverses__isnull=False).count() == 2
    assert approve(decided).decided_at == OCTOBER_6
    assert UsageRecord.objects.count() == 4
    told = Email.objects.get(kind="call_dispute")
    assert "We give back $18.00" in told.subject
    assert "Sorry for that." in told.text
    assert billed(acme).amount == Decimal("49.00")
    assert differences() == []


def test_of_a_closed_month_a_credit_note_gives_it_back_and_the_next_is_not_lowered(
    acme: Workspace,
) -> None:
    call = a_call(acme, "10", "5")
    invoice = billed(acme)
    decided = approve(disputed(acme, call, NOVEMBER_9), NOVEMBER_9)
    note = decided.credit_note
    assert note is not None
    assert (note.invoice, note.status, note.reason) == (invoice, "issued", "dropped")
    assert (note.total, note.to_open) == (Decimal("18.00"), Decimal("18.00"))
    assert {record.call_id for record in note.items.get().records.all()} == {call}
    assert differences() == []
    assert finalize_due_periods(now=DECEMBER_3).failed == []
    november = Invoice.objects.get(workspace=acme, issued_at=DECEMBER_3)
    assert november.amount == Decimal("49.00")
    assert CreditNote.objects.count() == 1
    assert differences() == []


def test_a_part_is_a_note_over_the_line_or_a_credit_on_the_next_bill(acme: Workspace) -> None:
    call = a_call(acme)
    part = approve(disputed(acme, call), amount=Decimal("4.00"))
    assert part.manual_item is not None
    assert (part.manual_item.kind, part.manual_item.net) == ("credit", Decimal("4.00"))
    billed(acme)
    again = disputed(acme, call, NOVEMBER_9)
    for wrong in (Decimal(0), Decimal("0.001"), Decimal("12.01"), Decimal("NaN")):
        with pytest.raises(Invalid):
            approve(again, NOVEMBER_9, amount=wrong)
    noted = approve(again, NOVEMBER_9, amount=Decimal("3.00"))
    assert noted.credit_note is not None
    assert noted.credit_note.total == Decimal("3.00")
    assert price(acme, call) == Decimal(12)
    assert differences() == []


def test_what_was_taken_back_elsewhere_is_not_given_back_twice(acme: Workspace) -> None:
    call = a_call(acme, "10", "5")
    dispute = disputed(acme, call)
    void_record(
        workspace_id=acme.pk,
        record_id=UsageRecord.objects.get(idempotency_key=f"{call}-0").pk,
        reason="double",
        now=OCTOBER_6,
    )
    assert approve(dispute).amount == Decimal(6)
    assert price(acme, call) == 0


def test_a_refusal_says_why_and_what_is_decided_stays(acme: Workspace) -> None:
    call = a_call(acme)
    dispute = disputed(acme, call)
    with pytest.raises(Invalid):
        refuse_dispute(dispute_id=dispute.pk, by=FINANCE, decision=" ", now=OCTOBER_6)
    refuse_dispute(dispute_id=dispute.pk, by=FINANCE, decision="It lasted.", now=OCTOBER_6)
    assert "It lasted." in Email.objects.get(kind="call_dispute").text
    for decide in (
        lambda: approve(dispute),
        lambda: withdraw_dispute(dispute_id=dispute.pk, by="owner", now=OCTOBER_6),
    ):
        with pytest.raises(NotOpen):
            decide()
    assert price(acme, call) == Decimal(12)


def test_one_dispute_of_a_call_is_open_at_a_time(acme: Workspace) -> None:
    call = a_call(acme)
    dispute = disputed(acme, call)
    facts = {"workspace_id": acme.pk, "call_id": call, "opened_by": "x", "now": OCTOBER_6}
    same, created = open_dispute(reason="dropped", text="It broke off", **facts)  # type: ignore[arg-type]
    assert (same.pk, created) == (dispute.pk, False)
    with pytest.raises(AlreadyDisputed):
        open_dispute(reason="double", text="Twice", **facts)  # type: ignore[arg-type]
    with pytest.raises(IntegrityError, match="one_open_dispute"), transaction.atomic():
        CallDispute.objects.create(
            workspace=acme, call_id=call, reason="wrong", text="x", currency="USD", price=1
        )
    withdraw_dispute(dispute_id=dispute.pk, by="owner@acme.test", now=OCTOBER_6)
    assert disputed(acme, call).state == "open"


def test_the_facts_tell_of_durations_calls_at_the_same_time_and_what_is_usual(
    acme: Workspace,
) -> None:
    agent = make_agent(acme, "Front desk")
    call = a_call(acme)
    twin = make_call(acme, OCTOBER_5 + dt.timedelta(seconds=30), seconds="30")
    make_call(acme, OCTOBER_5 + dt.timedelta(hours=1), seconds="180")
    Call.objects.update(agent=agent)
    facts = disputed(acme, call).facts
    assert facts["duration_seconds"] == "90"
    # A minute was billed for 90 seconds.
    assert (facts["billed_minutes"], facts["billed_beyond_duration_seconds"]) == ("1", "-30")
    assert facts["duplicates"] == [str(twin)]
    assert (facts["usual"]["calls"], facts["usual"]["seconds"]) == ("3", "100")


def test_small_ones_are_approved_by_rule_so_many_a_month(
    acme: Workspace, settings: Settings
) -> None:
    settings.DISPUTE_RULE_AMOUNT = 12
    settings.DISPUTE_RULE_PER_MONTH = 1
    first, second = (disputed(acme, a_call(acme)) for _ in range(2))
    assert (first.state, first.by_rule, first.amount) == ("approved", True, Decimal(12))
    assert second.state == "open"
    settings.DISPUTE_RULE_PER_MONTH = 9
    assert disputed(acme, a_call(acme, "10.01")).state == "open"


def test_an_owner_disputes_on_the_receipt_and_a_viewer_does_not(acme: Workspace) -> None:
    call = a_call(acme)
    receipt = f"/w/{acme.pk}/calls/{call}/"
    given = {"reason": "quality", "text": "Only noise"}
    assert member_client(acme, role="viewer").post(f"{receipt}dispute/", given).status_code == 403
    owner = member_client(acme)
    assert owner.post(f"{receipt}dispute/", given).status_code == 302
    page = owner.get(receipt).content.decode()
    assert "Only noise" in page
    assert "Dispute this call" not in page
    dispute = CallDispute.objects.get()
    other = make_workspace("Globex")
    address = f"/w/{other.pk}/disputes/{dispute.pk}/withdraw/"
    assert member_client(other).post(address).status_code == 404
    assert owner.post(f"/w/{acme.pk}/disputes/{dispute.pk}/withdraw/").status_code == 302
    assert CallDispute.objects.get().state == "withdrawn"


def test_the_owner_reads_of_it_in_their_language(acme: Workspace) -> None:
    call = a_call(acme)
    owner = member_client(acme)
    User.objects.filter(email="owner@acme.test").update(language="de")
    given = {"reason": "dropped", "text": "Abgebrochen"}
    address = f"/w/{acme.pk}/calls/{call}/dispute/"
    assert (
        "Wir sehen uns diesen Anruf an" in owner.post(address, given, follow=True).content.decode()
    )
    approve(CallDispute.objects.get())
    told = Email.objects.get(kind="call_dispute")
    assert (
        told.subject == f"Wir erstatten 12,00\xa0$ zu Ihrer Beanstandung des Anrufs {str(call)[:8]}"
    )
    assert "Ihre nächste Rechnung ist um diesen Betrag niedriger" in told.text
    page = owner.get(f"/w/{acme.pk}/calls/{call}/").content.decode()
    assert "Abgebrochenes Gespräch" in page


def test_the_api_opens_lists_and_withdraws(acme: Workspace) -> None:
    call = a_call(acme)
    api = ApiClient("billing:read", "billing:write")
    path = f"workspaces/{acme.pk}/calls/{call}/dispute/"
    made = api.post(path, {"reason": "double", "text": "Twice"})
    assert (made.status_code, made.json()["price"]) == (201, "12.0000000000")
    assert api.post(path, {"reason": "double", "text": "Twice"}).status_code == 200
    assert api.post(path, {"reason": "double", "text": "Else"}).json()["code"] == "already_disputed"
    assert api.post(path, {"reason": "late", "text": "Else"}).status_code == 400
    listed = api.get(f"workspaces/{acme.pk}/call-disputes/").json()["results"]
    assert [each["id"] for each in listed] == [made.json()["id"]]
    gone = api.post(f"call-disputes/{made.json()['id']}/withdraw/", {})
    assert gone.json()["state"] == "withdrawn"


def test_finance_approves_with_the_facts_in_sight(acme: Workspace) -> None:
    dispute = disputed(acme, a_call(acme))
    client = finance_client()
    assert "dispute of a call" in client.get("/admin/").content.decode()
    page = client.get(f"/admin/payments/calldispute/{dispute.pk}/change/").content.decode()
    assert "Our duration" in page
    press(client, "payments_calldispute", "approve", dispute.pk, amount="0", rest_to="credit")
    dispute.refresh_from_db()
    assert dispute.state == "open"
    press(client, "payments_calldispute", "approve", dispute.pk, amount="", rest_to="credit")
    dispute.refresh_from_db()
    assert (dispute.state, dispute.decided_by) == ("approved", FINANCE)


@pytest.mark.django_db(transaction=True)
def test_two_people_and_the_close_at_once_give_it_back_once() -> None:
    acme = make_workspace("Acme")
    call = a_call(acme)
    dispute = disputed(acme, call)
    start = Barrier(3)

    def run(what: str) -> None:
        start.wait()
        try:
            if what == "close":
                finalize_due_periods(now=NOVEMBER_3)
            else:
                approve(dispute, NOVEMBER_3)
        finally:
            connection.close()

    threads = [Thread(target=run, args=(what,)) for what in ("close", "one", "two")]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    dispute.refresh_from_db()
    assert (dispute.state, dispute.amount) == ("approved", Decimal(12))
    assert UsageRecord.objects.filter(workspace=acme).count() == 2
    assert price(acme, call) == 0
    assert differences() == []
