"""The processes that record batches: killed, orphaned and stopped."""

import signal
import threading
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

import psutil
import pytest
from django.db import connection, transaction

from tests.kit.http_server import Answer, HttpClient, WebServer, usage_body
from tests.kit.personas import make_workspace
from tests.kit.waiting import wait_until
from usage.models import UsageRecord

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture
def server(tmp_path: Path, monkeypatch) -> Iterator[WebServer]:
    monkeypatch.setenv("TMPDIR", str(tmp_path))
    made = WebServer(tmp_path / "web.log")
    yield made
    made.stop()


@pytest.fixture(scope="module")
def lasting(tmp_path_factory, django_db_setup) -> Iterator[WebServer]:
    """For tests after which gunicorn goes on: each start costs seconds."""
    made = WebServer(tmp_path_factory.mktemp("lasting") / "web.log")
    yield made
    made.stop()


def worker_and_processes(server: WebServer) -> tuple[psutil.Process, list[psutil.Process]]:
    found: list[psutil.Process] = []

    def all_run() -> bool:
        found[:] = psutil.Process(server.process.pid).children(recursive=True)
        return len(found) == 4

    wait_until(all_run)
    worker = next(each for each in found if each.ppid() == server.process.pid)
    return worker, [each for each in found if each != worker]


def ended(process: psutil.Process) -> bool:
    """Also when whoever it was left to has not noticed yet."""
    try:
        return process.status() == psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return True


def someone_waits_for_a_lock() -> bool:
    with connection.cursor() as cursor:
        cursor.execute("SELECT count(*) FROM pg_locks WHERE NOT granted")
        row = cursor.fetchone()
    return bool(row and row[0])


def test_a_batch_whose_process_dies_is_answered_503_and_the_processes_replaced(lasting):
    acme = make_workspace("Acme")
    caller = HttpClient(lasting)
    assert caller.send("POST", "usage/", usage_body(acme, "first")).status == 201
    worker, processes = worker_and_processes(lasting)
    batch = {"records": [usage_body(acme, "a"), usage_body(acme, "b")]}
    answers: list[Answer] = []
    sending = threading.Thread(
        target=lambda: answers.append(caller.send("POST", "usage/batch/", batch))
    )
    with transaction.atomic():
        with connection.cursor() as cursor:
            cursor.execute("LOCK TABLE usage_usagerecord IN ACCESS EXCLUSIVE MODE")
        sending.start()
        wait_until(someone_waits_for_a_lock)
        processes[0].kill()  # whichever: none goes on without it
        sending.join(60)

    assert (answers[0].status, answers[0].json["code"]) == (503, "unavailable")
    assert answers[0].headers["retry-after"] == "2"
    wait_until(lambda: not worker.is_running())
    again = HttpClient(lasting, caller.key).send("POST", "usage/batch/", batch)
    assert (again.status, again.json["accepted"]) == (200, 2)
    assert UsageRecord.objects.count() == 3


def test_processes_end_when_their_worker_is_killed(lasting):
    worker, processes = worker_and_processes(lasting)

    worker.kill()

    psutil.wait_procs(processes, timeout=60)
    assert [each for each in processes if not ended(each)] == []


def test_nothing_goes_on_when_gunicorn_itself_is_killed(server):
    worker, processes = worker_and_processes(server)
    family = [worker, *processes]

    server.process.kill()

    psutil.wait_procs(family, timeout=60)
    assert [each for each in family if not ended(each)] == []


def test_new_code_is_taken_up_without_a_pause(lasting):
    acme = make_workspace("Acme")
    caller = HttpClient(lasting)
    worker, processes = worker_and_processes(lasting)
    before = {worker, *processes}

    lasting.process.send_signal(signal.SIGHUP)
    statuses: list[int] = []

    def all_are_new() -> bool:
        batch = {"records": [usage_body(acme, str(len(statuses)))]}
        # It may meet a worker that is just closing its connections.
        with suppress(ConnectionError):
            statuses.append(
                HttpClient(lasting, caller.key).send("POST", "usage/batch/", batch).status
            )
        return all(ended(each) for each in before)

    wait_until(all_are_new)
    assert set(statuses) == {200}
    worker, processes = worker_and_processes(lasting)
    assert before.isdisjoint({worker, *processes})
    assert UsageRecord.objects.count() == len(statuses)


def test_stopping_leaves_no_process_and_no_file(server, tmp_path):
    acme = make_workspace("Acme")
    HttpClient(server).send("POST", "usage/batch/", {"records": [usage_body(acme, "a")]})
    worker, processes = worker_and_processes(server)
    family = [worker, *processes]

    server.stop()

    assert [each for each in family if each.is_running()] == []
    assert [each.name for each in tmp_path.iterdir()] == ["web.log"]
    assert UsageRecord.objects.count() == 1
