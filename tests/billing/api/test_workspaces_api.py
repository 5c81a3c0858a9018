from uuid import UUID, uuid4

import pytest
from django.test import Client

from billing.models import User, Workspace
from billing.services.periods import open_period
from tests.kit.api import ApiClient, problem_of, refusal
from tests.kit.personas import make_workspace

pytestmark = pytest.mark.django_db
ACME = {
    "id": "11111111-1111-4111-8111-111111111111",
    "name": "Acme",
    "owner_email": "owner@acme.test",
    "tier": "starter",
    "currency": "USD",
    "timezone": "Europe/Berlin",
}


@pytest.fixture
def platform() -> ApiClient:
    return ApiClient("workspaces:write", "terms:write")


def test_a_new_workspace_is_made_with_its_owner_and_terms(platform):
    made = platform.post("workspaces/", ACME)

    assert made.status_code == 201
    assert made["Location"].endswith(f"/api/v1/workspaces/{ACME['id']}/")
    body = made.json()
    assert {name: body[name] for name in ACME} == ACME
    assert body["status"] == "active"
    assert body["suspension_reason"] is None
    assert body["billing_email"] == "owner@acme.test"
    assert body["created_at"].endswith("Z")
    assert User.objects.get().email == "owner@acme.test"


def test_the_same_workspace_again_changes_nothing(platform):
    first = platform.post("workspaces/", ACME)
    again = platform.post("workspaces/", ACME)

    assert again.status_code == 200
    assert again.json() == first.json()
    assert Workspace.objects.count() == 1


@pytest.mark.parametrize(
    "other",
    [
        {"name": "Globex"},
        {"tier": "pro"},
        {"owner_email": "else@acme.test"},
        {"billing_email": "b@acme.test"},
    ],
)
def test_a_taken_id_with_other_facts_is_refused(platform, other):
    platform.post("workspaces/", ACME)

    assert refusal(platform.post("workspaces/", ACME | other)) == (409, "already_exists")


@pytest.mark.parametrize(
    ("change", "code", "pointer"),
    [
        ({"tier": "gold"}, "unknown_tier", "/tier"),
        ({"currency": "XXX"}, "unknown_currency", "/currency"),
        ({"currency": "usd"}, "unknown_currency", "/currency"),
        ({"currency": "CHF"}, "no_price_in_currency", "/currency"),
        ({"timezone": "Mars/Olympus"}, "unknown_timezone", "/timezone"),
        ({"timezone": "../../etc/passwd"}, "unknown_timezone", "/timezone"),
        ({"name": ""}, "blank", "/name"),
        ({"name": "A\u0007"}, "invalid_text", "/name"),
        ({"name": "A" * 201}, "max_length", "/name"),
        ({"name": None}, "null", "/name"),
        ({"name": ["Acme"]}, "invalid_text", "/name"),
        ({"owner_email": "nobody"}, "invalid_email", "/owner_email"),
        ({"id": "1"}, "invalid_uuid", "/id"),
        ({"id": True}, "invalid_uuid", "/id"),
        ({"name": "Ac\u202eme"}, "invalid_text", "/name"),
        ({"timezone": "localtime"}, "unknown_timezone", "/timezone"),
        ({"timezone": "Factory"}, "unknown_timezone", "/timezone"),
        ({"timezone": "right/Europe/Berlin"}, "unknown_timezone", "/timezone"),
        ({"timezone": "posix/UTC"}, "unknown_timezone", "/timezone"),
        ({"timezone": "posixrules"}, "unknown_timezone", "/timezone"),
        ({"curency": "USD"}, "unknown_field", "/curency"),
    ],
)
def test_what_is_not_acceptable_is_named(platform, change, code, pointer):
    refused = platform.post("workspaces/", ACME | change)

    problem = problem_of(refused)
    assert refused.status_code == 400
    assert [(error["code"], error["pointer"]) for error in problem["errors"]] == [(code, pointer)]
    assert Workspace.objects.count() == 0


def test_every_fault_is_named_at_once(platform):
    problem = problem_of(platform.post("workspaces/", {"name": ""}))

    assert problem["code"] == "invalid"
    assert {error["pointer"] for error in problem["errors"]} == {
        "/name",
        "/owner_email",
        "/tier",
        "/currency",
        "/timezone",
    }


def test_a_bound_key_makes_no_other_workspace():
    acme = make_workspace()
    bound = ApiClient("workspaces:write", workspace_id=acme.pk)

    assert refusal(bound.post("workspaces/", {**ACME, "id": str(uuid4())})) == (403, "key_is_bound")
    assert bound.post("workspaces/", {**ACME, "id": str(acme.pk)}).status_code == 200


def test_workspaces_are_listed_newest_first_in_few_queries(platform, django_assert_num_queries):
    for name in ("Acme", "Globex", "Initech"):
        make_workspace(name)
    platform.get("workspaces/")

    with django_assert_num_queries(1):
        listed = platform.get("workspaces/", limit=2).json()

    assert len(listed["results"]) == 2
    with django_assert_num_queries(1):
        rest = platform.client.get(listed["next"]).json()
    assert len(rest["results"]) == 1
    assert rest["next"] is None
    assert platform.client.get(rest["previous"]).json()["results"] == listed["results"]
    names = [row["name"] for row in listed["results"] + rest["results"]]
    assert sorted(names) == ["Acme", "Globex", "Initech"]


def test_workspaces_are_filtered(platform):
    make_workspace("Acme")
    make_workspace("Globex", currency="JPY")

    found = platform.get("workspaces/", currency="JPY", tier="starter", status="active").json()

    assert [row["name"] for row in found["results"]] == ["Globex"]


@pytest.mark.parametrize(
    "query", [{"limit": "0"}, {"limit": "1001"}, {"limit": "ten"}, {"cursor": "x"}, {"stat": "a"}]
)
def test_bad_parameters_of_a_list_are_named(platform, query):
    problem = problem_of(platform.get("workspaces/", **query))

    assert (problem["status"], problem["code"]) == (400, "invalid_parameter")
    assert [error["parameter"] for error in problem["errors"]] == list(query)


def test_a_workspace_is_changed_in_what_is_named(platform):
    acme = make_workspace()

    changed = platform.patch(
        f"workspaces/{acme.pk}/",
        {"tier": "pro", "address_city": "Berlin", "address_country": "DE", "status": "suspended"},
    ).json()

    assert (changed["tier"], changed["address_city"], changed["name"]) == ("pro", "Berlin", "Acme")
    assert (changed["status"], changed["suspension_reason"]) == ("suspended", "manual")
    assert platform.get(f"workspaces/{acme.pk}/").json() == changed


def test_a_workspace_that_was_read_may_be_sent_back(platform):
    acme = make_workspace()
    read = platform.get(f"workspaces/{acme.pk}/").json()

    sent = platform.patch(f"workspaces/{acme.pk}/", read | {"billing_name": "Acme GmbH"})

    assert sent.status_code == 200
    assert sent.json() == read | {"billing_name": "Acme GmbH"}


@pytest.mark.parametrize(
    ("change", "status", "code"),
    [
        ({"timezone": "Asia/Tokyo"}, 409, "timezone_in_use"),
        ({"currency": "EUR"}, 409, "currency_in_use"),
        ({"tier": "gold"}, 400, "unknown_tier"),
        ({"status": "asleep"}, 400, "invalid"),
        ({"address_country": "de"}, 400, "invalid"),
        ({"billing_email": ""}, 400, "invalid"),
    ],
)
def test_changes_that_are_refused_change_nothing(platform, change, status, code):
    acme = make_workspace()
    open_period(workspace_id=acme.pk, at=acme.created_at, now=acme.created_at)
    before = platform.get(f"workspaces/{acme.pk}/").json()

    assert refusal(platform.patch(f"workspaces/{acme.pk}/", change)) == (status, code)
    assert platform.get(f"workspaces/{acme.pk}/").json() == before


PATHS = ["", "billing-settings/", "members/"]
# Constant, since parallel test processes must agree on the names of the tests.
NOBODYS = "7f3c1f0e-52a4-4c6b-9a51-0d2f6f1d9c11"


@pytest.mark.parametrize("path", PATHS)
def test_another_workspace_does_not_exist_for_a_bound_key(path):
    acme, globex = make_workspace("Acme"), make_workspace("Globex")
    caller = ApiClient(workspace_id=acme.pk)

    assert caller.get(f"workspaces/{acme.pk}/{path}").status_code == 200
    for other in (globex.pk, uuid4()):
        assert refusal(caller.get(f"workspaces/{other}/{path}")) == (404, "not_found")
        method = "POST" if path == "members/" else "PATCH"
        assert refusal(caller.send(method, f"workspaces/{other}/{path}", {})) == (404, "not_found")
    assert [row["name"] for row in caller.get("workspaces/").json()["results"]] == ["Acme"]


@pytest.mark.parametrize("path", PATHS)
def test_members_read_their_own_workspace_only(path):
    acme, globex = make_workspace("Acme"), make_workspace("Globex")
    client = Client()
    client.force_login(acme.members.get())

    assert client.get(f"/api/v1/workspaces/{acme.pk}/{path}").status_code == 200
    assert client.get(f"/api/v1/workspaces/{globex.pk}/{path}").status_code == 404
    listed = client.get("/api/v1/workspaces/").json()["results"]
    assert [row["name"] for row in listed] == ["Acme"]


@pytest.mark.parametrize("path", ["workspaces/", *(f"workspaces/{NOBODYS}/{p}" for p in PATHS)])
def test_other_scopes_are_not_enough(path):
    caller = ApiClient("usage:write")

    assert refusal(caller.get(path)) == (403, "missing_scope")
    method = "POST" if path in ("workspaces/",) or path.endswith("members/") else "PATCH"
    assert refusal(caller.send(method, path, {})) == (403, "missing_scope")


def test_a_retry_after_changes_is_answered_as_what_it_is(platform):
    made = platform.post("workspaces/", ACME).json()
    path = f"workspaces/{made['id']}/"
    changed = platform.patch(path, {"name": "Acme 2", "tier": "pro", "status": "closed"}).json()

    again = platform.post("workspaces/", ACME)

    assert (again.status_code, again.json()) == (200, changed)
    assert refusal(platform.post("workspaces/", ACME | {"name": "Acme 2"})) == (
        409,
        "already_exists",
    )


@pytest.mark.parametrize(
    ("change", "code", "pointer"),
    [
        ({"address_country": "XX"}, "invalid_country", "/address_country"),
        ({"address_country": "EU"}, "invalid_country", "/address_country"),
        ({"tax_id": "DE123456789"}, "invalid_tax_id", "/tax_id"),
        ({"tax_id": "nonsense", "address_country": "DE"}, "invalid_tax_id", "/tax_id"),
        ({"billing_email": "x@"}, "invalid_email", "/billing_email"),
    ],
)
def test_details_that_cannot_be_are_refused(platform, change, code, pointer):
    refused = platform.patch(f"workspaces/{make_workspace().pk}/", change)

    assert refused.status_code == 400
    [fault] = problem_of(refused)["errors"]
    assert (fault["code"], fault["pointer"]) == (code, pointer)


@pytest.mark.parametrize(
    "details",
    [
        {"tax_id": "DE136695976", "address_country": "DE"},
        {"tax_id": "ATU13585627", "address_country": "US"},
        {"tax_id": "91-1144442", "address_country": "US"},
        {"tax_id": "B-77", "address_country": "KP"},
        {"tax_id": "", "address_country": "XK"},
        {"billing_email": "rechnung@münchen.test"},
    ],
)
def test_details_that_can_be_are_kept(platform, details):
    kept = platform.patch(f"workspaces/{make_workspace().pk}/", details)

    assert kept.status_code == 200, kept.json()
    assert {name: kept.json()[name] for name in details} == details


@pytest.mark.parametrize(
    "query",
    [
        "workspaces/?status=",
        "workspaces/?status=active&status=closed",
        "workspaces/?limit=",
        "workspaces/?limit=1&limit=2",
        "usage/?workspace_id=",
        "calls/?workspace_id=",
        "agents/?workspace_id=%20",
        "invoices/?workspace_id=",
        "billing-periods/?workspace_id=",
        "billing-periods/?cursor=",
        f"usage/?workspace_id={UUID(int=1)}&workspace_id={UUID(int=2)}",
        "usage/?workspace_id=urn:uuid:7f3c1f0e-52a4-4c6b-9a51-0d2f6f1d9c11",
    ],
)
def test_an_empty_or_repeated_parameter_is_refused(query):
    response = ApiClient().client.get(f"/api/v1/{query}")

    assert refusal(response) == (400, "invalid_parameter")
