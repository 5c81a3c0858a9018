"""Records by agent and by model, and rollups by the rate that priced them."""

import datetime as dt
import json
from decimal import Decimal
from uuid import UUID, uuid4

import pytest
import time_machine

from tests.kit.api import ApiClient, refusal
from tests.kit.personas import NOW, make_agent, make_workspace
from tests.kit.prices import cost_plus, per_unit, published, rate, use
from tests.kit.usage import make_call
from usage.models import Call, DimensionRollup, UsageRecord, UsageRollup
from usage.services.ingest import check_entries, record_usage
from usage.services.ingest.parsing import usage_parser
from usage.services.ledger import rebuild_rollups, usage_differences
from usage.services.voiding import void_record

pytestmark = pytest.mark.django_db(transaction=True)
D = Decimal


@pytest.fixture
def acme():
    return make_workspace()


def body(owner, key="k", **facts):
    return {
        "idempotency_key": key,
        "workspace_id": str(owner.pk),
        "resource_type": "llm_tokens",
        "provider": "openai",
        "quantity": "2",
        "unit_cost": "0.5",
        "occurred_at": NOW.isoformat(),
        **{name: str(value) for name, value in facts.items()},
    }


@pytest.fixture(autouse=True)
def noon():
    with time_machine.travel(NOW, tick=False):
        yield


@pytest.fixture
def caller():
    return ApiClient("usage:write", "usage:read")


def known_call(owner, agent=None) -> str:
    call_id = make_call(owner, NOW - dt.timedelta(minutes=5))
    Call.objects.filter(pk=call_id).update(agent=agent)
    return str(call_id)


def test_a_record_says_its_agent_and_model(acme, caller):
    agent = make_agent(acme, "Reception")

    answer = caller.post("usage/", body(acme, agent_id=agent.pk, model=" GPT-4o-mini "))

    assert answer.status_code == 201
    stored = answer.json()
    assert (stored["agent_id"], stored["model"]) == (str(agent.pk), "gpt-4o-mini")
    listed = caller.get("usage/").json()["results"][0]
    assert {name: listed[name] for name in stored} == stored


@pytest.mark.parametrize(
    ("facts", "code", "field"),
    [
        ({"model": ""}, "invalid_model", "model"),
        ({"model": "x" * 65}, "invalid_model", "model"),
        ({"model": "a\nb"}, "invalid_model", "model"),
        ({"agent_id": "reception"}, "invalid_uuid", "agent_id"),
        ({"agent_id": "0" * 32 + "00"}, "invalid_uuid", "agent_id"),
    ],
)
def test_an_agent_or_model_that_cannot_be_is_refused(acme, caller, facts, code, field):
    answer = caller.post("usage/", body(acme, **facts))

    assert refusal(answer) == (400, code)
    assert answer.json()["errors"][0]["pointer"] == f"/{field}"
    assert not UsageRecord.objects.exists()


def test_an_agent_of_nobody_or_of_another_workspace_is_refused(acme, caller):
    globex = make_workspace("Globex")
    stranger = make_agent(globex, "Sales")
    ours = make_agent(acme, "Reception")
    assert caller.post("usage/", body(globex, agent_id=stranger.pk)).status_code == 201

    sent = [
        body(acme, "a", agent_id=stranger.pk),
        body(acme, "b", agent_id=uuid4()),
        body(acme, "c", agent_id=ours.pk),
        body(globex, "d", agent_id=ours.pk),
    ]
    answer = caller.post("usage/batch/", {"records": sent}).json()

    assert (answer["accepted"], answer["rejected"]) == (1, 3)
    assert [(each["index"], each["code"], each["field"]) for each in answer["errors"]] == [
        (index, "unknown_agent", "agent_id") for index in (0, 1, 3)
    ]


def test_the_agent_of_a_known_call_comes_first_and_of_an_unknown_one_as_sent(acme, caller):
    took, other = make_agent(acme, "Reception"), make_agent(acme, "Sales")
    call = known_call(acme, took)
    silent = known_call(acme)
    elsewhere = known_call(make_workspace("Globex"))

    def agent_of(key, **facts):
        return caller.post("usage/", body(acme, key, **facts)).json()["agent_id"]

    assert agent_of("a", call_id=call) == str(took.pk)
    assert agent_of("b", call_id=call, agent_id=other.pk) == str(took.pk)
    assert agent_of("c", call_id=silent, agent_id=other.pk) == str(other.pk)
    assert agent_of("d", call_id=uuid4(), agent_id=other.pk) == str(other.pk)
    assert agent_of("e", call_id=elsewhere) is None


def test_singles_written_together_each_answer_their_agent(acme):
    took = make_agent(acme, "Reception")
    call = known_call(acme, took)
    sent = [body(acme, "a", call_id=call), body(acme, "b"), body(acme, "c", call_id=call)]
    entries = [usage_parser.single(json.dumps(each).encode()) for each in sent]
    records, _ = check_entries(entries, now=NOW)

    recorded = record_usage(records, now=NOW)

    agents = [recorded.answer(place)[1].agent_id for place in range(3)]
    assert agents == [took.pk, None, took.pk]


def test_a_retry_is_known_whatever_the_call_said_of_its_agent(acme, caller):
    took, other = make_agent(acme, "Reception"), make_agent(acme, "Sales")
    call = known_call(acme, took)
    sent = [
        body(acme, "a", call_id=call),
        body(acme, "b", call_id=call, agent_id=other.pk),
        body(acme, "c", agent_id=other.pk),
        body(acme, "d", model="nova-2"),
    ]
    assert caller.post("usage/batch/", {"records": sent}).json()["accepted"] == 4

    answer = caller.post("usage/batch/", {"records": sent}).json()

    assert (answer["duplicates"], answer["rejected"]) == (4, 0)
    agents = UsageRecord.objects.order_by("idempotency_key").values_list("agent_id", flat=True)
    assert list(agents) == [took.pk, took.pk, other.pk, None]


@pytest.mark.parametrize("change", [{"agent_id": None}, {"model": "nova-3"}, {"model": None}])
def test_the_same_key_with_another_agent_or_model_is_refused(acme, caller, change):
    agent = make_agent(acme, "Reception")
    facts = {"agent_id": str(agent.pk), "model": "nova-2"}
    caller.post("usage/", body(acme, **facts))

    changed = {**body(acme, **facts), **change}
    answer = caller.post("usage/", changed)
    together = caller.post(
        "usage/batch/", {"records": [{**changed, "idempotency_key": "n"}, body(acme, "n", **facts)]}
    ).json()

    assert refusal(answer) == (409, "idempotency_key_reused")
    assert together["errors"][0]["code"] == "idempotency_key_reused"


def test_a_rate_for_a_model_prices_its_records(acme, caller):
    card = published(
        rate(per_unit("3"), "llm_tokens", "OpenAI", "GPT-4o "),
        rate(per_unit("2"), "llm_tokens", "openai"),
        rate(cost_plus("10")),
    )
    use(card, acme.pk)

    prices = [
        caller.post("usage/", body(acme, key, **facts)).json()["final_cost"]
        for key, facts in {
            "a": {"model": "GPT-4o"},
            "b": {"model": "o3"},
            "c": {},
            "d": {"resource_type": "other", "model": "gpt-4o"},
        }.items()
    ]

    assert prices == ["6.0000000000", "4.0000000000", "4.0000000000", "1.1000000000"]


def test_rollups_keep_each_rate_apart_with_what_it_billed(acme, caller):
    caller.post("usage/", body(acme, "before"))
    steps = {"first": "5", "step": "1"}
    card = published(rate(per_unit("3", increment=steps), "llm_tokens", "openai", "gpt-4o"))
    use(card, acme.pk)
    for key in ("a", "b"):
        caller.post("usage/", body(acme, key, model="gpt-4o"))
    caller.post("usage/batch/", {"records": [body(acme, "c", model="gpt-4o"), body(acme, "d")]})

    rates = {row.match: row.pk for row in card.versions.get().rates.all()}

    def sums(rate_id):
        rows = UsageRollup.objects.filter(rate_id=rate_id)
        return tuple(
            sum(getattr(row, name) for row in rows)
            for name in ("records", "quantity", "billed_quantity", "final_cost")
        )

    assert sums(None) == (1, D(2), D(2), D("1.2"))
    assert sums(rates["llm_tokens", "openai", "gpt-4o"]) == (3, D(6), D(15), D(45))
    assert sums(rates["", "", ""]) == (1, D(2), D(2), D("1.15"))
    assert UsageRollup.objects.count() == 3
    assert usage_differences() == []


def test_a_void_takes_from_the_rate_and_the_agent_of_its_record(acme, caller):
    agent = make_agent(acme, "Reception")
    call = known_call(acme)
    use(published(rate(per_unit("3", increment={"first": "5", "step": "1"}))), acme.pk)
    stored = caller.post("usage/", body(acme, call_id=call, agent_id=agent.pk, model="o3")).json()
    # By now the call says another one.
    Call.objects.update(agent=make_agent(acme, "Sales"))

    reversal, _ = void_record(
        workspace_id=acme.pk, record_id=UUID(stored["id"]), reason="Wrong", now=NOW
    )

    assert (reversal.agent_id, reversal.model) == (agent.pk, "o3")
    assert (reversal.billed_quantity, str(reversal.rate_id)) == (D(-5), stored["rate_id"])
    row = UsageRollup.objects.get()
    assert (row.records, row.quantity, row.billed_quantity, row.final_cost) == (2, 0, 0, 0)
    assert usage_differences() == []


def test_a_lost_rate_is_found_and_rolled_up_anew(acme, caller):
    use(published(rate(per_unit("3", increment={"first": "5", "step": "1"}))), acme.pk)
    caller.post("usage/", body(acme))
    rate_id = UsageRollup.objects.get().rate_id
    UsageRollup.objects.update(billed_quantity=4)

    (difference,) = usage_differences()

    assert difference.detail == (
        f"2026-11-22 llm_tokens openai by rate {rate_id}: 1 records of 2.000000, 5.000000 of them"
        " billed, for 15.0000000000, rolled up as 1 of 2.000000, 4.000000 of them billed,"
        " for 15.0000000000"
    )
    UsageRollup.objects.update(rate_id=None)
    assert len(usage_differences()) == 2
    rebuild_rollups()
    row = UsageRollup.objects.get()
    assert (row.rate_id, row.billed_quantity) == (rate_id, D(5))
    assert usage_differences() == []


def by_dimension() -> dict[tuple, tuple]:
    """Records, quantity, cost and price by agent and model."""
    found: dict[tuple, list] = {}
    for row in DimensionRollup.objects.all():
        sums = found.setdefault((row.agent_id, row.model), [0, 0, 0, 0])
        for place, name in enumerate(("records", "quantity", "total_cost", "final_cost")):
            sums[place] += getattr(row, name)
    return {key: tuple(sums) for key, sums in found.items()}


def test_records_with_an_agent_or_a_model_are_rolled_up_by_both(acme, caller):
    first, second = make_agent(acme, "Reception"), make_agent(acme, "Sales")
    call = known_call(acme, first)
    batch = [
        body(acme, "a", call_id=call, model="o3"),
        body(acme, "b", agent_id=first.pk, model="o3"),
        body(acme, "c", agent_id=second.pk),
        body(acme, "d", model="o3"),
        body(acme, "e"),
    ]

    caller.post("usage/batch/", {"records": batch})
    caller.post("usage/batch/", {"records": batch})
    caller.post("usage/", body(acme, "f", call_id=call, quantity="3"))
    caller.post("usage/", body(acme, "g"))

    assert by_dimension() == {
        (first.pk, "o3"): (2, D(4), D(2), D("2.4")),
        (first.pk, None): (1, D(3), D("1.5"), D("1.8")),
        (second.pk, None): (1, D(2), D(1), D("1.2")),
        (None, "o3"): (1, D(2), D(1), D("1.2")),
    }
    assert usage_differences() == []


def test_a_void_is_taken_from_its_agent_and_model(acme, caller):
    agent = make_agent(acme, "Reception")
    stored = caller.post("usage/", body(acme, agent_id=agent.pk, model="o3")).json()

    void_record(workspace_id=acme.pk, record_id=UUID(stored["id"]), reason="Wrong", now=NOW)

    assert by_dimension() == {(agent.pk, "o3"): (2, 0, 0, 0)}
    assert usage_differences() == []


def test_dimensions_that_are_off_are_named_and_rolled_up_anew(acme, caller):
    agent = make_agent(acme, "Reception")
    caller.post("usage/", body(acme, agent_id=agent.pk, model="o3"))
    DimensionRollup.objects.update(final_cost=7)

    (difference,) = usage_differences()

    assert str(difference) == (
        f"records and their dimensions: workspace {acme.pk} period {difference.period_id}:"
        f" 2026-11-22 llm_tokens openai agent {agent.pk} model o3: 1 records of 2.000000 for"
        " 1.2000000000, rolled up as 1 of 2.000000 for 7.0000000000"
    )
    assert rebuild_rollups() == 1
    assert by_dimension() == {(agent.pk, "o3"): (1, D(2), D(1), D("1.2"))}
    DimensionRollup.objects.all().delete()
    assert len(usage_differences(workspace_id=acme.pk)) == 1
    assert rebuild_rollups(workspace_id=acme.pk) == 1
    assert usage_differences() == []


def test_the_first_agent_is_known_to_processes_that_knew_none(acme, caller):
    caller.post("usage/", body(acme, "before"))
    agent = make_agent(acme, "Reception")
    call = known_call(acme, agent)

    stored = caller.post("usage/", body(acme, "after", call_id=call)).json()

    assert stored["agent_id"] == str(agent.pk)
