"""Every list and every detail page opens, for those who may, at a fixed number of queries."""

import pytest
from django.contrib import admin
from django.contrib.admin.models import LogEntry
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext
from django.urls import reverse

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
    "billing.limitalert": 6,
    "billing.platformsetting": 6,
    "billing.priceoverride": 6,
    "billing.providercost": 6,
    "billing.ratecard": 8,
    "billing.ratecardversion": 7,
    "billing.servicekey": 6,
    "billing.subscriptiontier": 7,
    "billing.user": 7,
    "billing.workspace": 8,
    "payments.difference": 6,
    "invoices.invoice": 6,
    "payments.reconciliationrun": 6,
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


@pytest.mark.parametrize("model", OURS, ids=lambda model: model._meta.label_lower)
def test_a_list_costs_the_same_queries_however_long_it_is(model):
    client = finance_client()
    make_row_of_each_model("Acme")
    address = url(model, "changelist")
    client.get(address)
    short = queries_of(client, address)
    for name in ("Globex", "Initech", "Umbrella"):
        make_row_of_each_model(name)

    long = queries_of(client, address)

    assert len(long) == len(short), "\n".join(long)
    assert len(long) == LIST_QUERIES[model._meta.label_lower], "\n".join(long)


@pytest.mark.parametrize("model", OURS, ids=lambda model: model._meta.label_lower)
def test_a_detail_page_opens_for_finance_and_for_those_who_only_look(model):
    make_row_of_each_model()

    for client in (finance_client(), viewer_client(), superuser_client()):
        response = client.get(url(model, "change", model._default_manager.first().pk))
        assert response.status_code == 200


@pytest.mark.parametrize("model", OURS, ids=lambda model: model._meta.label_lower)
def test_a_search_finds_something_or_nothing_but_never_breaks(model):
    make_row_of_each_model()
    client = superuser_client()

    for term in ("Acme", "%_\\'", "0" * 40, "12345678-1234-1234-1234-123456789012"):
        assert client.get(url(model, "changelist"), {"q": term}).status_code == 200


def test_the_pages_of_django_itself_open():
    client = superuser_client()
    LogEntry.objects.create(user_id=client.session["_auth_user_id"], action_flag=1, object_repr="x")

    for name in ("auth_group_changelist", "auth_group_add", "admin_logentry_changelist"):
        assert client.get(reverse(f"admin:{name}")).status_code == 200


@pytest.mark.parametrize(
    "name",
    ["workspace", "servicekey", "subscriptiontier", "user", "ratecard", "priceoverride"],
    ids=str,
)
def test_what_can_be_added_has_a_form(name):
    assert superuser_client().get(reverse(f"admin:billing_{name}_add")).status_code == 200


def test_customers_owners_do_not_get_in():
    workspace = make_row_of_each_model()
    client = Client()
    client.force_login(workspace.members.get(), backend="django.contrib.auth.backends.ModelBackend")

    response = client.get(url(OURS[0], "changelist"))

    assert response.status_code == 302
    assert "/admin/login/" in response["Location"]


def test_a_list_of_records_is_read_along_the_index_and_never_counted():
    acme = make_row_of_each_model()
    client = superuser_client()

    [rows] = [
        sql
        for sql in queries_of(client, reverse("admin:usage_usagerecord_changelist"))
        if 'FROM "usage_usagerecord"' in sql
    ]

    assert (
        'ORDER BY "usage_usagerecord"."workspace_id" ASC, "usage_usagerecord"."occurred_at" DESC, '
        '"usage_usagerecord"."id" DESC LIMIT' in rows
    )
    assert acme.name in client.get(reverse("admin:usage_usagerecord_changelist")).content.decode()


@pytest.mark.parametrize(
    "who", [finance_client, viewer_client, superuser_client], ids=["finance", "viewer", "root"]
)
def test_every_link_of_the_navigation_that_a_person_sees_opens(who):
    client = who()
    groups = admin.site.get_sidebar_list(client.get(reverse("admin:index")).wsgi_request)
    links = [
        str(item["link"]) for group in groups for item in group["items"] if item["has_permission"]
    ]

    assert len(links) > 10
    for link in links:
        assert client.get(link).status_code == 200, link
