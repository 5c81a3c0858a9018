"""The primary dies in the middle of batches, and its synchronous replica takes over."""

import json
import signal
import threading
import time
from collections.abc import Iterator
from urllib.parse import quote

import psutil
import psycopg
import pytest

from dev.embedded.postgres import PostgresService
from dev.embedded.service import Service
from tests.kit.live_system import LiveSystem
from tests.kit.replica import PORT, Replica
from tests.kit.waiting import wait_until
from tests.usage.test_crashes import (
    BATCH,
    BATCHES_PER_CLIENT,
    CLIENTS,
    assert_sums_agree,
    body_of,
    make_workspace,
    recorded,
)


@pytest.fixture
def system(tmp_path_factory: pytest.TempPathFactory) -> Iterator[LiveSystem]:
    made = LiveSystem(tmp_path_factory.mktemp("failover"))
    yield made
    made.stop()


@pytest.fixture
def standby(system: LiveSystem) -> Iterator[Replica]:
    primary = PostgresService(system.local_dir)
    made = Replica("standby", of=primary.data_dir, socket_dir=str(primary.socket_dir))
    where = {"host": str(primary.socket_dir), "user": "postgres", "dbname": "postgres"}
    with psycopg.connect(**where, autocommit=True) as server:  # type: ignore[arg-type]
        server.execute("ALTER SYSTEM SET synchronous_standby_names = '*'")
        server.execute("SELECT pg_reload_conf()")
    yield made
    made.remove()


def test_nothing_acknowledged_is_lost_or_doubled_when_a_replica_takes_over(system, standby):
    primary = PostgresService(system.local_dir)
    hosts = quote(f"{primary.socket_dir},{standby.data_dir}", safe=",")
    system.database = system.environment["DATABASE_URL"] = (
        f"postgresql://billing@/billing?host={hosts}&port=5432,{PORT}"
        "&target_session_attrs=read-write"
    )
    system.start_web()
    owner = make_workspace(system, "Failover")
    acknowledged: list[bytes] = []
    cut_off: list[int] = []
    give_up_at = time.monotonic() + 90

    def send(client: int) -> None:
        for number in range(BATCHES_PER_CLIENT):
            body = body_of(owner, client, number)
            while time.monotonic() < give_up_at:
                status, answer = system.post("/api/v1/usage/batch/", body)
                if status == 200:
                    assert json.loads(answer)["rejected"] == 0
                    acknowledged.append(body)
                    break
                cut_off.append(status)
                time.sleep(0.2)

    senders = [threading.Thread(target=send, args=(client,)) for client in range(CLIENTS)]
    for sender in senders:
        sender.start()
    wait_until(lambda: len(acknowledged) >= CLIENTS * BATCHES_PER_CLIENT // 4)
    end_for_good(system, primary)
    standby.promote()
    for sender in senders:
        sender.join(100)

    assert cut_off, "the failover interrupted nothing"
    assert set(cut_off) <= {0, 503}
    assert len(acknowledged) == CLIENTS * BATCHES_PER_CLIENT
    # What the old primary acknowledged was never sent again.
    assert recorded(system, owner) == CLIENTS * BATCHES_PER_CLIENT * BATCH
    assert_sums_agree(system)
    system.kill_web()


def end_for_good(system: LiveSystem, primary: Service) -> None:
    """Fenced: whoever would start it again goes first."""
    server = primary.find_running()
    assert server is not None
    keeper = server.parent()
    assert keeper is not None
    assert "dev.embedded.keeper" in keeper.cmdline()
    keeper.kill()
    psutil.wait_procs([keeper], timeout=10)
    system.signal_database(signal.SIGKILL)
