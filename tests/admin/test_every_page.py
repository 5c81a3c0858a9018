"""Every list and every detail page opens, for those who may, at a fixed number of queries."""

import re
from collections.abc import Iterator
from typing import NamedTuple
from urllib.parse import urlencode

import pytest
import time_machine
from django.contrib import admin
from django.contrib.admin.models import LogEntry
from django.db import connection
from django.http import HttpRequest, QueryDict
from django.test import Client
from django.test.utils import CaptureQueriesContext
from django.urls import reverse

from billing.models import Workspace
from tests.kit.kept import kept_for_module
from tests.kit.personas import NOW, signed_in_client
from tests.kit.staff import finance_client, make_row_of_each_model, superuser_client, viewer_client

pytestmark = pytest.mark.django_db

# Session, user, permissions, the groups' permissions, count and rows: six. Tables of usage are not
# counted; some lists need one or two more for what a row shows or a filter offers.
LIST_QUERIES = {
    "billing.auditentry": 6,
    "billing.billingperiod": 8,
    "billing.coupon": 6,
    "billing.email": 6,
    "billing.exchangerate": 6,
    "billing.issuingentity": 6,
    "billing.limitalert": 6,
    "billing.manualitem": 6,
    "billing.platformsetting": 6,
    "billing.priceoverride": 6,
    "billing.providercost": 6,
    "billing.ratecard": 8,
    "billing.ratecardversion": 7,
    "billing.servicekey": 6,
    "billing.subscriptiontier": 7,
    "billing.taxnumbercheck": 6,
    "billing.taxrate": 8,
    "billing.taxregistration": 6,
    "billing.user": 7,
    "billing.workspace": 8,
    "payments.calldispute": 7,
    "payments.chargeback": 7,
    "payments.difference": 6,
    "invoices.creditnote": 6,
    "invoices.einvoice": 6,
    "invoices.invoice": 6,
    "invoices.taxcalculation": 6,
    "payments.reconciliationrun": 6,
    "usage.budget": 7,
    "usage.budgetevent": 6,
    "usage.call": 5,
    "usage.callrollup": 5,
    "usage.usagerecord": 5,
    "usage.usagerollup": 5,
    "usage.voiceagent": 6,
}
OURS = [
    model
    for model in admin.site._registry
    if model._meta.app_label in ("billing", "usage", "invoices")
]


def url(model, page: str, *args: object) -> str:
    return reverse(f"admin:{model._meta.app_label}_{model._meta.model_name}_{page}", args=args)


def queries_of(client: Client, address: str) -> list[str]:
    with CaptureQueriesContext(connection) as captured:
        response = client.get(address)
    assert response.status_code == 200
    return [query["sql"] for query in captured]


class Seen(NamedTuple):
    """What the tests of each model look at: made once, since it takes longer than looking."""

    clients: dict[str, Client]
    requests: dict[str, HttpRequest]
    pages: dict[str, str]
    short: dict[str, list[str]]
    long: dict[str, list[str]]


@pytest.fixture(scope="module")
def seen(django_db_setup, django_db_blocker) -> Iterator[Seen]:
    """Lists of one workspace's rows, then of four's, and the queries that each took."""
    with kept_for_module(django_db_blocker), time_machine.travel(NOW, tick=False):
        clients = {
            "finance": finance_client(),
            "viewer": viewer_client(),
            "root": superuser_client(),
        }
        make_row_of_each_model("Acme")
        requests = {
            name: client.get(reverse("admin:index")).wsgi_request
            for name, client in clients.items()
        }
        # First of all, so that what is read once, by whoever comes first, counts for no other.
        pages = {
            model._meta.label_lower: clients["root"].get(url(model, "changelist")).content.decode()
            for model in OURS
        }
        short = _queries_of_lists(clients["finance"])
        for name in ("Globex", "Initech", "Umbrella"):
            make_row_of_each_model(name)
        yield Seen(clients, requests, pages, short, _queries_of_lists(clients["finance"]))


def _queries_of_lists(client: Client) -> dict[str, list[str]]:
    return {model._meta.label_lower: queries_of(client, url(model, "changelist")) for model in OURS}


@pytest.mark.parametrize("model", OURS, ids=lambda model: model._meta.label_lower)
def test_a_list_costs_the_same_queries_however_long_it_is(model, seen):
    short, long = seen.short[model._meta.label_lower], seen.long[model._meta.label_lower]

    assert len(long) == len(short), "\n".join(long)
    assert len(long) == LIST_QUERIES[model._meta.label_lower], "\n".join(long)


@pytest.mark.parametrize("model", OURS, ids=lambda model: model._meta.label_lower)
def test_a_detail_page_opens_for_finance_and_for_those_who_only_look(model, seen):
    rights = {
        name: admin.site.get_model_admin(model).get_model_perms(request)
        for name, request in seen.requests.items()
    }
    asked = ["finance", "viewer"]
    if rights["root"] not in (rights["finance"], rights["viewer"]):
        asked.append("root")
    for name in asked:
        page = url(model, "change", model._default_manager.first().pk)
        assert seen.clients[name].get(page).status_code == 200, name


@pytest.mark.parametrize("model", OURS, ids=lambda model: model._meta.label_lower)
def test_a_search_finds_something_or_nothing_but_never_breaks(model, seen):
    found = seen.clients["root"].get(url(model, "changelist"), {"q": "Acme"})
    assert found.status_code == 200

    # The rows of the same page, without the page around them.
    request = found.wsgi_request
    for term in ("%_\\'", "0" * 40, "12345678-1234-1234-1234-123456789012"):
        request.GET = QueryDict(urlencode({"q": term}))
        list(admin.site.get_model_admin(model).get_changelist_instance(request).result_list)


@pytest.mark.parametrize("model", OURS, ids=lambda model: model._meta.label_lower)
def test_no_link_of_a_list_is_inside_of_another(model, seen):
    """A browser ends the outer one before it, which leaves a link without a name."""
    page = seen.pages[model._meta.label_lower]
    assert 'id="result_list"' in page
    assert not re.search(r"<a [^>]*>\s*<a ", page)


def test_the_pages_of_django_itself_open(seen):
    client = seen.clients["root"]
    LogEntry.objects.create(user_id=client.session["_auth_user_id"], action_flag=1, object_repr="x")

    for name in ("auth_group_changelist", "auth_group_add", "admin_logentry_changelist"):
        assert client.get(reverse(f"admin:{name}")).status_code == 200


@pytest.mark.parametrize(
    "name",
    ["workspace", "servicekey", "subscriptiontier", "user", "ratecard", "priceoverride"],
    ids=str,
)
def test_what_can_be_added_has_a_form(name, seen):
    assert seen.clients["root"].get(reverse(f"admin:billing_{name}_add")).status_code == 200


def test_customers_owners_do_not_get_in(seen):
    owner = Workspace.objects.get(name="Acme").members.get()

    response = signed_in_client(owner).get(url(OURS[0], "changelist"))

    assert response.status_code == 302
    assert "/admin/login/" in response["Location"]


def test_a_list_of_records_is_read_along_the_index_and_never_counted(seen):
    client = seen.clients["root"]

    [rows] = [
        sql
        for sql in queries_of(client, reverse("admin:usage_usagerecord_changelist"))
        if 'FROM "usage_usagerecord"' in sql
    ]

    assert (
        'ORDER BY "usage_usagerecord"."workspace_id" ASC, "usage_usagerecord"."occurred_at" DESC, '
        '"usage_usagerecord"."id" DESC LIMIT' in rows
    )
    assert "Acme" in client.get(reverse("admin:usage_usagerecord_changelist")).content.decode()


@pytest.mark.parametrize("who", ["finance", "viewer", "root"])
def test_every_link_of_the_navigation_that_a_person_sees_opens(who, seen):
    client = seen.clients[who]
    groups = admin.site.get_sidebar_list(seen.requests[who])
    links = [
        str(item["link"]) for group in groups for item in group["items"] if item["has_permission"]
    ]

    assert len(links) > 10
    # Finance has opened the lists of our models above.
    opened = {url(model, "changelist") for model in OURS} if who == "finance" else set()
    for link in set(links) - opened:
        assert client.get(link).status_code == 200, link
