"""VAT numbers asked for over HTTP of a register that answers, refuses, or is down."""

import datetime as dt
import json
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, HTTPServer
from threading import Thread
from typing import Any

import pytest
from celery import current_app

from billing.models import BillingPeriod, TaxNumberCheck
from billing.services import tax_numbers
from billing.services.workspaces import update_workspace
from billing.taxnumbers import vat_number
from tests.kit.personas import MADE_AT, make_period
from tests.kit.taxes import AUSTRIAN, FRENCH, make_customer, register

pytestmark = pytest.mark.django_db
NOW = dt.datetime(2026, 11, 22, 9, 0, tzinfo=dt.UTC)


class Register:
    def __init__(self) -> None:
        self.asked: list[dict[str, Any]] = []
        self.status = 200
        self.answer: Any = {
            "valid": True,
            "requestIdentifier": "WAPIAAAAYmFzZQ",
            "name": "GLOBEX SARL",
            "address": "1 RUE DE RIVOLI\n75001 PARIS",
            "userError": "VALID",
        }


@pytest.fixture
def vies(settings: Any) -> Iterator[Register]:
    register = Register()

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            register.asked.append(
                json.loads(self.rfile.read(int(self.headers["Content-Length"])))
                | {"path": self.path}
            )
            self.send_response(register.status)
            self.end_headers()
            self.wfile.write(json.dumps(register.answer).encode())

        def log_message(self, *args: object) -> None:
            """Silent."""

    server = HTTPServer(("127.0.0.1", 0), Handler)
    Thread(target=server.serve_forever, daemon=True).start()
    settings.VIES_URL = f"http://127.0.0.1:{server.server_port}/rest-api"
    yield register
    server.shutdown()
    server.server_close()


@pytest.mark.parametrize(
    ("text", "country", "number"),
    [
        ("DE 136.695.976", "DE", "DE136695976"),
        ("EL094259216", "GR", "EL094259216"),
        ("GR094259216", "GR", ""),
        ("DE136695976", "FR", ""),
        ("DE136695977", "DE", ""),
        ("136695976", "DE", ""),
        ("GB980780684", "GB", ""),
        ("", "DE", ""),
    ],
)
def test_vat_numbers_are_those_of_the_eu_and_of_their_country(text, country, number):
    assert vat_number(text, country=country) == number


def test_a_number_is_asked_for_and_the_answer_kept(vies):
    register()
    globex = make_customer("Globex", country="FR", tax_id=FRENCH)

    assert tax_numbers.check_tax_number(workspace_id=globex.pk, now=NOW)

    assert vies.asked == [
        {
            "path": "/rest-api/check-vat-number",
            "countryCode": "FR",
            "vatNumber": FRENCH[2:],
            "requesterMemberStateCode": "DE",
            "requesterNumber": "136695976",
        }
    ]
    check = TaxNumberCheck.objects.get(pk=globex.pk)
    assert (check.valid, check.source, check.reference) == (True, "vies", "WAPIAAAAYmFzZQ")
    assert (check.registered_name, check.status) == ("GLOBEX SARL", "done")


def test_without_a_registration_nobody_is_asked(vies):
    make_customer("Globex", country="FR", tax_id=FRENCH)
    assert not TaxNumberCheck.objects.exists()


def test_a_registration_has_numbers_checked_that_were_there_before(vies):
    globex = make_customer("Globex", country="FR", tax_id=FRENCH)
    register()
    assert TaxNumberCheck.objects.get().workspace_id == globex.pk


@pytest.mark.parametrize(
    ("status", "answer"),
    [
        (200, {"valid": False, "userError": "MS_UNAVAILABLE"}),
        (200, {"actionSucceed": False, "errorWrappers": [{"error": "MS_MAX_CONCURRENT_REQ"}]}),
        (500, {}),
        (200, []),
        (200, {}),
        (200, {"actionSucceed": True}),
        (200, {"valid": None, "userError": "VALID"}),
    ],
)
def test_a_register_that_is_down_is_asked_again_and_the_last_answer_stays(vies, status, answer):
    register()
    globex = make_customer("Globex", country="FR", tax_id=FRENCH)
    tax_numbers.check_tax_number(workspace_id=globex.pk, now=NOW)
    tax_numbers.ask_again(workspace_id=globex.pk, now=NOW)
    vies.status, vies.answer = status, answer

    assert not tax_numbers.check_tax_number(workspace_id=globex.pk, now=NOW)

    check = TaxNumberCheck.objects.get(pk=globex.pk)
    assert (check.valid, check.status, check.attempts) == (True, "waiting", 1)
    assert check.next_attempt_at > NOW
    assert "VIES" in check.last_error


@pytest.mark.parametrize(
    "answer",
    [
        {"valid": False, "userError": "INVALID", "name": "---", "address": "---"},
        {"actionSucceed": False, "errorWrappers": [{"error": "INVALID_INPUT"}]},
    ],
)
def test_a_number_that_is_not_valid_is_an_answer(vies, answer):
    register()
    globex = make_customer("Globex", country="FR", tax_id=FRENCH)
    vies.answer = answer

    assert tax_numbers.check_tax_number(workspace_id=globex.pk, now=NOW)

    check = TaxNumberCheck.objects.get(pk=globex.pk)
    assert (check.valid, check.registered_name) == (False, "")


def test_a_new_number_is_another_question(vies):
    register()
    globex = make_customer("Globex", country="FR", tax_id=FRENCH)
    tax_numbers.check_tax_number(workspace_id=globex.pk, now=NOW)
    update_workspace(
        workspace_id=globex.pk, changes={"address_country": "AT", "tax_id": AUSTRIAN}, now=NOW
    )

    check = TaxNumberCheck.objects.get(pk=globex.pk)
    assert (check.number, check.valid, check.status) == (AUSTRIAN, None, "waiting")

    update_workspace(workspace_id=globex.pk, changes={"tax_id": ""}, now=NOW)
    assert not TaxNumberCheck.objects.exists()


def test_a_month_that_waited_is_closed_by_the_answer(
    vies, django_capture_on_commit_callbacks, monkeypatch
):
    register()
    globex = make_customer("Globex", country="FR", tax_id=FRENCH)
    period = make_period(globex, MADE_AT)
    BillingPeriod.objects.filter(pk=period.pk).update(
        close_failed_at=NOW, close_error="not checked yet"
    )

    started: list[Any] = []
    monkeypatch.setattr(tax_numbers, "enqueue", lambda *args: started.append(args))
    with django_capture_on_commit_callbacks(execute=True):
        tax_numbers.check_tax_number(workspace_id=globex.pk, now=NOW)

    assert started == [("invoices.close_workspaces", [str(globex.pk)], True)]


def test_somebody_may_check_a_number_another_way():
    register()
    globex = make_customer("Globex", country="FR", tax_id=FRENCH)

    tax_numbers.record_check_by_hand(
        workspace_id=globex.pk, valid=True, reference="Ana, by telephone", now=NOW
    )

    check = TaxNumberCheck.objects.get(pk=globex.pk)
    assert (check.valid, check.source, check.status) == (True, "hand", "done")


def test_numbers_that_were_never_asked_for_are_once_there_is_a_register(vies, settings):
    address, settings.VIES_URL = settings.VIES_URL, ""
    register()
    make_customer("Globex", country="FR", tax_id=FRENCH)
    initech = make_customer("Initech", country="FR", tax_id=FRENCH)
    make_customer("Umbrella", country="FR")
    TaxNumberCheck.objects.create(
        workspace=initech, number=AUSTRIAN, valid=True, checked_at=NOW, source="vies",
        status="done", finished_at=NOW,
    )  # fmt: skip
    assert tax_numbers.check_missing(now=NOW) == 0

    settings.VIES_URL = address
    current_app.tasks["billing.check_old_tax_numbers"]()

    found = TaxNumberCheck.objects.values_list("workspace__name", "number", "valid", "status")
    assert sorted(found) == [
        ("Globex", FRENCH, None, "waiting"),
        ("Initech", FRENCH, None, "waiting"),
    ]
    assert tax_numbers.check_missing(now=NOW) == 0


def test_old_answers_are_asked_for_again(vies):
    register()
    globex = make_customer("Globex", country="FR", tax_id=FRENCH)
    tax_numbers.check_tax_number(workspace_id=globex.pk, now=NOW)

    assert tax_numbers.check_old_answers_again(now=NOW + dt.timedelta(days=29)) == 0
    assert tax_numbers.check_old_answers_again(now=NOW + dt.timedelta(days=31)) == 1
    assert TaxNumberCheck.objects.get(pk=globex.pk).valid is True
