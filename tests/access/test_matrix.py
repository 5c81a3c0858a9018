"""The access matrix: every address, asked by every kind of caller.

Each request is undone before the next one, so that all find the same rows.
"""

import json
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import pytest
import time_machine
from django.contrib import admin
from django.contrib.admin.sites import all_sites
from django.db import transaction
from django.test import Client, RequestFactory
from django.urls import reverse
from pytest_django import DjangoDbBlocker

from billing.api.refusals import forget_refusals
from billing.models import SCOPES, User, Workspace
from tests.access import callers, matrix
from tests.access.reading import METHODS, Row, addresses, lines_of, rows_of
from tests.kit.kept import fresh, kept_for_module
from tests.kit.personas import NOW
from tests.kit.staff import make_row_of_each_model

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("patient_probes")]

API = rows_of(matrix.API, prefix="api/v1/")
PAGES = rows_of(matrix.PAGES)
ADMIN_PAGES = rows_of(matrix.ADMIN_PAGES)
MODELS = {line.pop("model"): line for line in lines_of(matrix.ADMIN_MODELS)}
LIST_ACTIONS = {line["action"]: line["who"].split() for line in lines_of(matrix.ADMIN_LIST_ACTIONS)}
# Pages that Django's admin has for each model, below `admin/<app>/<model>/`.
_OF_MODELS = {
    "": "see",
    "add/": "add",
    "<object_id>/history/": "see",
    "<object_id>/delete/": "delete",
    "<object_id>/change/": "see",
    "<object_id>/": "see",
}
PASSED = frozenset({200, 201, 204, 302, 400, 409, 415, 422})


@pytest.fixture(autouse=True)
def _today(time_machine: Any) -> None:
    time_machine.move_to(NOW, tick=False)


@pytest.fixture(scope="module")
def made(django_db_setup: None, django_db_blocker: DjangoDbBlocker) -> Iterator[list[Workspace]]:
    with kept_for_module(django_db_blocker):
        with time_machine.travel(NOW, tick=False):
            rows = [make_row_of_each_model(name) for name in ("Acme", "Globex")]
        yield rows


@pytest.fixture
def acme(made: list[Workspace]) -> Workspace:
    """With a row of each model, as Globex has."""
    return fresh(made[0])


@pytest.fixture
def globex(made: list[Workspace]) -> Workspace:
    return fresh(made[1])


@contextmanager
def undone() -> Iterator[None]:
    with transaction.atomic():
        yield
        transaction.set_rollback(True)


def ask(client: Client, row: Row, values: dict[str, Any], data: Any = None) -> Any:
    """The answer to a request by the row, of which nothing stays."""
    body = json.dumps(data if data is not None else {})
    with undone():
        if row.route.startswith("api/"):
            sent = "" if row.method == "GET" else body
            return client.generic(row.method, row.address(values), sent, "application/json")
        if row.method == "GET":
            return client.get(row.address(values))
        return client.post(row.address(values), data or {"_form_submitted": "on"})


def outcome(answer: Any) -> str:
    """`yes`, `sign in`, or the status of a refusal."""
    if answer.status_code == 302 and "/login/" in answer["Location"]:
        return "sign in"
    return "yes" if answer.status_code in PASSED else str(answer.status_code)


def text_of(answer: Any) -> str:
    parts = answer.streaming_content if answer.streaming else [answer.content]
    return b"".join(parts).decode(errors="replace")


def compare(wrong: list[str], row: Row, caller: str, answer: Any, expected: str) -> None:
    found = outcome(answer)
    if row.route in matrix.FINDS_NOTHING and found == "404" and expected == "yes":
        return
    if found != expected:
        wrong.append(f"{row.method} {row.route} by {caller}: {found}, not {expected}")


# Which addresses there are


def _suggested(route: str) -> str:
    if route.startswith("api/v1/"):
        table, line = "API", f"GET    {route.removeprefix('api/v1/')}   own   usage:read"
    elif route.startswith("admin/"):
        table, line = "ADMIN_PAGES", f"GET    {route}   read-only finance people"
    else:
        table, line = "PAGES", f"GET    {route}   owner admin viewer"
    return f"tests/access/matrix.py, {table}: add who may ask, as in `{line}`"


def _routes_of_models() -> set[str]:
    """Those of models in the table, and of models missing there, which are named by themselves."""
    models = {*MODELS, *(model._meta.label_lower for model in admin.site._registry)}
    return {f"admin/{model.replace('.', '/')}/{page}" for model in models for page in _OF_MODELS}


def test_every_address_has_a_line_and_every_line_an_address() -> None:
    there = set(addresses())
    listed = {row.route for row in [*API, *PAGES, *ADMIN_PAGES]} | set(matrix.ELSEWHERE)
    missing = [_suggested(route) for route in sorted(there - listed - _routes_of_models())]
    for model in admin.site._registry:
        if model._meta.label_lower not in MODELS:
            line = f"{model._meta.label_lower}   read-only finance people   frozen frozen frozen"
            missing.insert(0, f"tests/access/matrix.py, ADMIN_MODELS: add `{line}`")

    assert not missing, "\n".join(missing)
    gone = sorted((listed | _routes_of_models()) - there)
    assert not gone, f"tests/access/matrix.py: take out {gone}"


def test_every_method_of_the_api_has_a_line() -> None:
    listed = {(row.method, row.route) for row in API}
    hot = {(method, route) for method, route in listed if route.endswith(("usage/", "calls/"))}
    there = {
        (method, route)
        for route, view in addresses().items()
        if hasattr(view, "cls") and route.startswith("api/v1/")
        for method in METHODS
        if hasattr(view.cls, method.lower())
    }

    missing = [f"{method:6} {route}" for method, route in sorted(there - listed)]
    assert not missing, f"tests/access/matrix.py, API: add {missing}"
    assert listed - there <= hot, f"tests/access/matrix.py, API: take out {listed - there - hot}"


def test_a_method_without_a_line_is_refused(acme: Workspace) -> None:
    values = callers.values_of(acme) | {"object_id": "1"}
    client = callers.members(acme)["owner"]
    listed = {(row.method, row.route) for row in PAGES}
    wrong = []
    for route in {row.route for row in PAGES}:
        for method in set(METHODS) - {method for method, of in listed if of == route}:
            row = Row(method, route, [])
            with undone():
                status = client.generic(method, row.address(values)).status_code
            # Django's own views take PUT as they take POST.
            if status != 405 and method != "PUT":
                wrong.append(f"{method} {route} answers {status}: add a line to PAGES")
    assert not wrong, "\n".join(wrong)


# The API


def test_the_api_answers_whom_it_should(acme: Workspace, globex: Workspace) -> None:
    values, names = callers.values_of(acme), set(callers.names_of(acme))
    keys, refused = callers.scoped_keys(), callers.refused_keys()
    own, other = callers.key_client(workspace=acme), callers.key_client(workspace=globex)
    members = callers.members(acme)
    strangers = {
        "another's owner": callers.members(globex)["owner"],
        **_few(callers.staff()),
    }
    wrong: list[str] = []
    for row in API:
        named = "<" in row.route
        hidden = _hidden(row, named)
        forget_refusals()  # or they would be too many
        for name, client in {"anonymous": Client(), **refused}.items():
            compare(wrong, row, name, ask(client, row, values), "401")
        for scope, client in keys.items():
            expected = "yes" if scope in row.who else "403"
            compare(wrong, row, f"key of {scope}", ask(client, row, values), expected)
        compare(
            wrong,
            row,
            "own key",
            ask(own, row, values),
            hidden if row.whose == "platform" else "yes",
        )
        answer = ask(other, row, values)
        compare(wrong, row, "another's key", answer, hidden)
        if row.whose != "nobody":
            text = _beside_the_question(answer, row, values)
            told = [name for name in names if name in text]
            wrong += [f"{row.method} {row.route} tells another's key {told}"] if told else []
        for name, client in {**members, **strangers}.items():
            expected = "403" if row.method != "GET" else hidden
            if row.method == "GET" and name in members and row.whose == "own":
                expected = "yes"
            answer = ask(client, row, values)
            compare(wrong, row, name, answer, expected)
            if name in strangers and row.whose != "nobody":
                text = _beside_the_question(answer, row, values)
                told = [each for each in names if each in text]
                wrong += [f"{row.method} {row.route} tells {name} {told}"] if told else []
    assert not wrong, "\n".join(wrong)


def _few(staff: dict[str, Client]) -> dict[str, Client]:
    """Being staff gives nothing outside of the admin: those with the least and the most say so."""
    return {name: staff[name] for name in ("staff", "superuser")}


def _hidden(row: Row, named: bool) -> str:
    """How those are answered who may not see the rows: in lists these are missing."""
    if row.whose == "nobody" or (row.method == "GET" and not named):
        return "yes"
    if row.whose == "own" and not named:
        return "yes"  # about rows of their own
    return "404" if named else "403"


def _beside_the_question(answer: Any, row: Row, values: dict[str, Any]) -> str:
    """The answer without what was asked for, which an error may repeat."""
    text, address = text_of(answer), row.address(values)
    for value in map(str, values.values()):
        if value in address:
            text = text.replace(value, "")
    return text


def _bodies(acme: Any) -> dict[str, dict[str, Any]]:
    """Whole requests about Acme to addresses that name no workspace."""
    use = {
        "idempotency_key": "matrix",
        "workspace_id": str(acme.pk),
        "resource_type": "call_minutes",
        "provider": "twilio",
        "quantity": "1",
        "unit_cost": "0.01",
    }
    call = {
        "id": "11111111-1111-4111-8111-111111111111",
        "workspace_id": str(acme.pk),
        "direction": "inbound",
        "status": "completed",
        "provider": "twilio",
        "started_at": NOW.isoformat(),
        "ended_at": NOW.isoformat(),
    }
    return {
        "usage/": use,
        "usage/estimate/": use,
        "usage/batch/": {"records": [use]},
        "calls/": call,
        "calls/batch/": {"records": [call]},
        "agents/": {"workspace_id": str(acme.pk), "name": "Desk"},
        "workspaces/": {
            "id": str(acme.pk),
            "name": "Mine",
            "owner_email": "mine@globex.test",
            "tier": "starter",
            "currency": "USD",
            "timezone": "UTC",
        },
    }


def test_nobody_writes_into_another_workspace(acme: Workspace, globex: Workspace) -> None:
    values, bodies = callers.values_of(acme), _bodies(acme)
    own, other = callers.key_client(workspace=acme), callers.key_client(workspace=globex)
    rows = [
        row for row in API if row.method == "POST" and row.whose == "own" and "<" not in row.route
    ]
    assert {row.route.removeprefix("api/v1/") for row in rows} == set(bodies), "add a body"
    for row in rows:
        body = bodies[row.route.removeprefix("api/v1/")]
        answer = ask(other, row, values, body)
        if row.route.endswith("batch/"):
            assert (answer.json()["accepted"], answer.json()["rejected"]) == (0, 1), row
            assert ask(own, row, values, body).json()["accepted"] == 1, row
        else:
            assert answer.status_code in (400, 403, 404), (row, answer.content)
            if row.route != "api/v1/workspaces/":
                assert ask(own, row, values, body).status_code in (200, 201), row


# Pages


def test_pages_open_for_whom_they_should(acme: Workspace, globex: Workspace) -> None:
    values, names = callers.values_of(acme), set(callers.names_of(acme))
    members = callers.members(acme)
    strangers = {"another's owner": callers.members(globex)["owner"], **_few(callers.staff())}
    key = callers.key_client()
    wrong: list[str] = []
    for row in PAGES:
        roles = set(row.who) & set(members)
        open_to_all = row.who == ["everyone"]
        for name, client in {"anonymous": Client(), "a key": key}.items():
            answer = ask(client, row, values)
            compare(wrong, row, name, answer, "yes" if open_to_all else "sign in")
        for name, client in members.items():
            expected = "yes" if not roles or name in roles else "403"
            answer = ask(client, row, values)
            compare(wrong, row, name, answer, expected)
        for name, client in strangers.items():
            answer = ask(client, row, values)
            compare(wrong, row, name, answer, "404" if roles else "yes")
            if roles:
                text = _beside_the_question(answer, row, values)
                told = [each for each in names if each in text]
                wrong += [f"{row.method} {row.route} tells {name} {told}"] if told else []
    assert not wrong, "\n".join(wrong)


# The admin


def _object_ids(acme: Any) -> dict[str, Any]:
    """A row of each model that the admin shows, by "app/model"."""
    found = {}
    for model in admin.site._registry:
        rows = model._default_manager.all()
        if hasattr(model, "workspace"):
            rows = rows.filter(workspace=acme)
        row = rows.first()
        found[model._meta.label_lower.replace(".", "/")] = row.pk if row else "1"
    return found


def test_the_admin_opens_for_whom_it_should(acme: Workspace) -> None:
    values, ids = callers.values_of(acme), _object_ids(acme)
    staff = callers.staff()
    outside = {
        "anonymous": Client(),
        "owner": callers.members(acme)["owner"],
        "a key": callers.key_client(),
    }
    wrong: list[str] = []
    for row in ADMIN_PAGES:
        values["object_id"] = next(
            (pk for model, pk in ids.items() if row.route.startswith(f"admin/{model}/")), "1"
        )
        for name, client in outside.items():
            compare(wrong, row, name, ask(client, row, values), "sign in")
        # What the state of a row forbids is forbidden to a superuser too.
        may = outcome(ask(staff["superuser"], row, values))
        for name, client in staff.items():
            if "staff" in row.who or name in row.who:
                compare(wrong, row, name, ask(client, row, values), may)
            elif name != "superuser":
                refused = ask(client, row, values)
                if outcome(refused) not in ("403", "404"):
                    wrong.append(f"{row.method} {row.route} by {name}: {outcome(refused)}")
    assert not wrong, "\n".join(wrong)


def _requests() -> dict[str, Any]:
    """A request of each kind of staff, as the admin asks it for permissions."""
    people = {
        name: User.objects.get(pk=client.session["_auth_user_id"])
        for name, client in callers.staff().items()
    }
    requests = {}
    for name, person in people.items():
        requests[name] = RequestFactory().get("/admin/")
        requests[name].user = person
    return requests


def _may(model_admin: Any, verb: str, request: Any) -> bool:
    ask_for = "view" if verb == "see" else verb
    return bool(getattr(model_admin, f"has_{ask_for}_permission")(request))


def _expected(who: str, name: str) -> bool:
    if who == "frozen":
        return False
    return name == "superuser" or name in who.split()


def test_rights_over_each_model_are_those_of_the_matrix() -> None:
    requests = _requests()
    wrong = []
    for model, model_admin in admin.site._registry.items():
        line = MODELS.get(model._meta.label_lower, {})
        for verb, who in line.items():
            for name, request in requests.items():
                if _may(model_admin, verb, request) != _expected(who, name):
                    wrong.append(f"{model._meta.label_lower} {verb} by {name}")
    assert not wrong, "\n".join(wrong)


def test_pages_of_models_are_closed_to_whom_they_should_be(acme: Workspace) -> None:
    """That they ask for the rights which the test before compares; who looks saves nothing."""
    ids, staff = _object_ids(acme), callers.staff()
    outside = {"anonymous": Client(), "owner": callers.members(acme)["owner"]}
    wrong: list[str] = []
    for model, line in MODELS.items():
        place = model.replace(".", "/")
        values = {"object_id": ids[place]}
        row = Row("GET", f"admin/{place}/", [])
        for name, client in outside.items():
            compare(wrong, row, name, ask(client, row, values), "sign in")
        asked = [("staff", "GET", page) for page in _OF_MODELS if page != "<object_id>/"]
        asked += [("staff", "POST", page) for page in ("add/", *_WRITES)]
        asked += [("read-only", "POST", page) for page in ("add/", *_WRITES)]
        for name, method, page in asked:
            if name in line["see"].split() or page in _WRITES or name == "staff":
                row = Row(method, f"admin/{place}/{page}", [])
                answer = ask(staff[name], row, values)
                # A row that is not there is told to be missing, by going to the first page.
                if outcome(answer) != "403" and answer.get("Location") != reverse("admin:index"):
                    wrong.append(f"{row.method} {row.route} by {name}: {outcome(answer)}")
    assert not wrong, "\n".join(wrong)


_WRITES = ("<object_id>/change/", "<object_id>/delete/")


def test_actions_on_lists_are_offered_to_whom_they_should_be() -> None:
    requests = _requests()
    there, wrong = set(), []
    for site in all_sites:
        for model, model_admin in site._registry.items():
            names = {
                each if isinstance(each, str) else each.__name__
                for each in (model_admin.actions or ())
            }
            for action in names:
                full = f"{model._meta.label_lower}/{action}"
                there.add(full)
                for name, request in requests.items():
                    offered = action in model_admin.get_actions(request)
                    if offered != (name == "superuser" or name in LIST_ACTIONS.get(full, ())):
                        wrong.append(f"{full} by {name}")
    assert there == set(LIST_ACTIONS), "tests/access/matrix.py, ADMIN_LIST_ACTIONS"
    assert not wrong, "\n".join(wrong)


@pytest.mark.usefixtures("acme")
def test_the_admins_own_helpers_tell_nobody_more() -> None:
    staff = callers.staff()

    def offered(name: str, model: str, field: str) -> int:
        asked = {"app_label": "billing", "model_name": model, "field_name": field}
        return staff[name].get("/admin/autocomplete/", asked).status_code

    assert offered("finance", "servicekey", "workspace") == 200
    assert offered("staff", "servicekey", "workspace") == 403
    assert offered("support", "ratecardassignment", "card") == 403
    for name in ("staff", "support"):
        assert staff[name].get("/admin/payments/").status_code in (403, 404)
        assert "Acme ingest" not in staff[name].get("/admin/search/?s=Acme").content.decode()
    for address in ("/admin/r/1/1/", "/admin/nothing/here"):
        assert staff["staff"].get(address).status_code in (302, 404)
        assert Client().get(address).status_code == 302


def test_every_scope_is_needed_somewhere() -> None:
    assert {scope for row in API for scope in row.who} == set(SCOPES)
