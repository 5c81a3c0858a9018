"""kill -9 of web server or PostgreSQL, or a PostgreSQL that hangs, while batches are written; then
all is sent again."""

import json
import signal
import threading
import time
from email.message import Message

import psycopg
import pytest

from tests.kit.live_system import LiveSystem
from tests.kit.waiting import wait_until

BATCHES_PER_CLIENT = 15
BATCH = 100
CLIENTS = 4


# What was recorded, rolled up and counted; each must say the same.
_SUMS = """
SELECT (SELECT (count(*), sum(final_cost)) FROM usage_usagerecord)::text,
       (SELECT (sum(records)::bigint, sum(final_cost)) FROM usage_usagerollup)::text,
       (SELECT (sum(records)::bigint, sum(final_cost)) FROM billing_periodcounter)::text
"""


@pytest.fixture(scope="module")
def system(tmp_path_factory):
    made = LiveSystem(tmp_path_factory.mktemp("crash"))
    yield made
    made.stop()


@pytest.mark.parametrize("victim", ["web", "database"])
def test_every_acknowledged_record_is_there_once_after_a_kill(system, victim):
    system.start_web()
    owner = make_workspace(system, victim)
    batches = {
        (client, number): body_of(owner, client, number)
        for client in range(CLIENTS)
        for number in range(BATCHES_PER_CLIENT)
    }
    acknowledged: set[tuple[int, int]] = set()

    def send(client: int) -> None:
        for number in range(BATCHES_PER_CLIENT):
            status, answer = system.post("/api/v1/usage/batch/", batches[client, number])
            if status == 200:
                account = json.loads(answer)
                assert account["rejected"] == 0
                acknowledged.add((client, number))

    threads = [threading.Thread(target=send, args=(client,)) for client in range(CLIENTS)]
    for thread in threads:
        thread.start()
    wait_until(lambda: len(acknowledged) >= CLIENTS * BATCHES_PER_CLIENT // 4)
    system.kill_web() if victim == "web" else system.signal_database(signal.SIGKILL)
    for thread in threads:
        thread.join(60)
    lost = batches.keys() - acknowledged
    assert lost, "the kill came too late to interrupt anything"

    if victim == "web":
        system.start_web()
    before = recorded(system, owner)
    assert before >= len(acknowledged) * BATCH
    for body in batches.values():
        status, answer = answer_of(system, body)
        assert (status, json.loads(answer)["rejected"]) == (200, 0)

    assert recorded(system, owner) == CLIENTS * BATCHES_PER_CLIENT * BATCH
    assert_sums_agree(system)
    system.kill_web()


def test_a_database_that_hangs_is_answered_503_by_everything_until_it_goes_on(system):
    system.start_web()
    owner = make_workspace(system, "Hanging")
    bodies = [body_of(owner, client, 0) for client in range(CLIENTS)]
    single = json.dumps(json.loads(body_of(owner, CLIENTS, 0))["records"][0]).encode()
    sent = [("/api/v1/usage/batch/", body) for body in bodies] + [("/api/v1/usage/", single)]
    headers = {"Authorization": f"Bearer {system.key}", "Content-Type": "application/json"}
    answers: list[tuple[int, Message, bytes]] = []
    # Each in the middle of its statement: it waits for a lock that another connection has.
    holder = psycopg.connect(system.database)
    holder.execute("LOCK TABLE usage_usagerecord, billing_periodcounter IN EXCLUSIVE MODE")
    senders = [
        threading.Thread(
            target=lambda path=path, body=body: answers.append(
                system.ask("POST", path, body, headers)
            )
        )
        for path, body in sent
    ]
    for sender in senders:
        sender.start()
    wait_for_locks(system, at_least=3)
    system.signal_database(signal.SIGSTOP)
    try:
        while any(sender.is_alive() for sender in senders):
            status, seconds = timed(system, "/healthz")
            assert status == 200
            assert seconds < 5
            status, seconds = timed(system, "/readyz")
            assert status == 503
            assert seconds < 10
            time.sleep(0.5)
        # From then on nobody waits.
        path, cookie = f"/w/{owner}/", {"Cookie": "sessionid=somebody"}
        page = system.ask("GET", path, headers=cookie)
        for _ in range(5):
            answers.append(system.ask("POST", "/api/v1/usage/", single, headers))
    finally:
        system.signal_database(signal.SIGCONT)
        holder.close()

    for status, answered, body in answers:
        assert (status, answered["Retry-After"]) == (503, "2")
        assert json.loads(body)["code"] == "unavailable"
    assert (page[0], page[1]["Retry-After"]) == (503, "2")
    assert b"Back in a moment" in page[2]
    for address, body in sent:
        assert answer_of(system, body, address)[0] in (200, 201)
    # Each process asks again once a second.
    wait_until(lambda: system.ask("GET", path, headers=cookie)[0] == 302)
    wait_until(lambda: timed(system, "/readyz")[0] == 200)
    assert recorded(system, owner) == CLIENTS * BATCH + 1
    assert_sums_agree(system)
    system.kill_web()


def timed(system: LiveSystem, path: str) -> tuple[int, float]:
    began = time.monotonic()
    return system.ask("GET", path)[0], time.monotonic() - began


def wait_for_locks(system: LiveSystem, *, at_least: int) -> None:
    with psycopg.connect(system.database, autocommit=True) as connection:
        query = "SELECT count(*) FROM pg_locks WHERE NOT granted"
        wait_until(lambda: connection.execute(query).fetchone()[0] >= at_least, what="nobody waits")


def make_workspace(system: LiveSystem, name: str) -> str:
    facts = {
        "name": name,
        "owner_email": "owner@acme.test",
        "tier": "starter",
        "currency": "USD",
        "timezone": "Europe/Berlin",
    }
    return json.loads(system.post("/api/v1/workspaces/", json.dumps(facts).encode())[1])["id"]


def assert_sums_agree(system: LiveSystem) -> None:
    with psycopg.connect(system.database) as connection:
        in_records, in_rollups, in_counters = connection.execute(_SUMS).fetchone()
    assert in_records == in_rollups == in_counters


def body_of(owner: str, client: int, number: int) -> bytes:
    return json.dumps(
        {
            "records": [
                {
                    "idempotency_key": f"{client}:{number}:{place}",
                    "workspace_id": owner,
                    "resource_type": "call_minutes",
                    "provider": "twilio",
                    "quantity": "1.5",
                    "unit_cost": "0.0125",
                }
                for place in range(BATCH)
            ]
        }
    ).encode()


def answer_of(
    system: LiveSystem, body: bytes, path: str = "/api/v1/usage/batch/"
) -> tuple[int, bytes]:
    """Tried again until the server has its database back."""
    for _ in range(100):
        status, answer = system.post(path, body)
        if status in (200, 201):
            return status, answer
        time.sleep(0.1)
    return status, answer


def recorded(system: LiveSystem, owner: str) -> int:
    for _ in range(200):
        try:
            with psycopg.connect(system.database) as connection:
                query = "SELECT count(*) FROM usage_usagerecord WHERE workspace_id = %s"
                found = connection.execute(query, [owner]).fetchone()
                return found[0] if found else 0
        except psycopg.OperationalError:
            time.sleep(0.1)
    raise AssertionError("the database did not come back")
