"""What those who only look may not do, and nobody may."""

import pytest
import time_machine
from django.contrib.auth.models import Group, Permission
from django.test import Client
from django.urls import reverse

from billing.models import Email, ServiceKey, User, Workspace
from invoices.models import Invoice
from tests.kit.kept import fresh, made_once
from tests.kit.personas import NOW
from tests.kit.staff import (
    finance_client,
    make_row_of_each_model,
    press,
    superuser_client,
    viewer_client,
)

pytestmark = pytest.mark.django_db


@made_once
def made() -> Workspace:
    with time_machine.travel(NOW, tick=False):
        return make_row_of_each_model()


@pytest.fixture
def acme(made: Workspace) -> Workspace:
    return fresh(made)


@pytest.mark.parametrize(
    ("model", "action"),
    [
        ("billing_billingperiod", "finalize"),
        ("billing_billingperiod", "retry_close"),
        ("invoices_invoice", "retry_the_payment"),
        ("invoices_invoice", "retry_the_sync"),
        ("invoices_invoice", "mark_as_paid"),
        ("invoices_invoice", "write_off"),
        ("invoices_invoice", "void"),
        ("billing_servicekey", "revoke"),
        ("billing_email", "send_again"),
    ],
)
def test_those_who_only_look_cannot_act(acme, model, action):
    pk = {
        "billing_billingperiod": acme.periods.get(status="current").pk,
        "invoices_invoice": Invoice.objects.get().pk,
        "billing_servicekey": ServiceKey.objects.get(by_owner=False).pk,
        "billing_email": Email.objects.get(subject="About Acme").pk,
    }[model]

    assert press(viewer_client(), model, action, pk, force="on").status_code == 403
    assert Invoice.objects.get().status == "open"
    assert acme.periods.filter(status="current").exists()


@pytest.mark.parametrize("model", ["billing_workspace", "billing_subscriptiontier"])
def test_those_who_only_look_cannot_save(acme, model):
    pk = {"billing_workspace": acme.pk, "billing_subscriptiontier": acme.tier_id}[model]

    response = viewer_client().post(
        reverse(f"admin:{model}_change", args=[pk]), {"name": "Changed"}
    )

    assert response.status_code == 403


@pytest.mark.parametrize(
    "model",
    ["billing_billingperiod", "invoices_invoice", "usage_usagerecord", "billing_email"],
)
def test_nobody_edits_or_deletes_what_is_frozen(acme, model):
    pk = {
        "billing_billingperiod": acme.periods.first().pk,
        "invoices_invoice": Invoice.objects.get().pk,
        "usage_usagerecord": "00000000-0000-0000-0000-000000000000",
        "billing_email": Email.objects.first().pk,
    }[model]
    client = superuser_client()

    for name in ("change", "delete"):
        response = client.post(reverse(f"admin:{model}_{name}", args=[pk]), {"post": "yes"})
        assert response.status_code in (302, 403)
    assert Invoice.objects.count() == 1
    assert client.get(reverse(f"admin:{model}_add")).status_code == 403


def test_finance_cannot_make_itself_superuser():
    client = finance_client()

    assert client.get(reverse("admin:billing_user_add")).status_code == 403
    me = User.objects.get(email="fay@finance.test")
    response = client.post(
        reverse("admin:billing_user_change", args=[me.pk]), {"is_superuser": "on"}
    )
    assert response.status_code == 403


def test_the_built_in_group_of_finance_sees_all_of_billing_and_may_not_touch_people():
    group = Group.objects.get(name="finance")
    codenames = set(group.permissions.values_list("codename", flat=True))
    assert {"view_usagerecord", "change_invoice", "change_billingperiod"} <= codenames
    assert "view_event" in codenames
    assert (
        not {"view_apikey", "change_user", "add_user", "change_group", "delete_workspace"}
        & codenames
    )


def test_who_may_change_people_cannot_become_superuser():
    clerk = User.objects.create_user("carl@finance.test", is_staff=True)
    clerk.user_permissions.add(
        *Permission.objects.filter(content_type__app_label__in=["billing", "auth"])
    )
    client = Client()
    client.force_login(clerk, backend="billing.sign_in_backend.SignInBackend")
    root = User.objects.create_superuser("root@finance.test", "a password of root's")
    member = User.objects.create_user("anna@acme.test")
    group = Group.objects.get(name="finance")

    own = reverse("admin:billing_user_change", args=[clerk.pk])
    rights = {"email": clerk.email, "is_active": "on", "is_staff": "on", "is_superuser": "on"}
    assert client.post(own, {**rights, "groups": [group.pk]}).status_code in (302, 403)
    everyone = {"memberships-TOTAL_FORMS": "0", "memberships-INITIAL_FORMS": "0"}
    theirs = reverse("admin:billing_user_change", args=[member.pk])
    given = {"email": "ann@acme.test", "is_active": "on", "is_superuser": "on", "is_staff": "on"}
    assert client.post(theirs, {**given, **everyone, "groups": [group.pk]}).status_code == 302
    for page in (
        reverse("admin:billing_user_change", args=[root.pk]),
        reverse("admin:billing_user_delete", args=[root.pk]),
        reverse("admin:auth_user_password_change", args=[root.pk]),
        reverse("admin:auth_group_change", args=[group.pk]),
    ):
        assert client.post(page, {"email": "mine@evil.test", "post": "yes"}).status_code == 403

    clerk.refresh_from_db()
    member.refresh_from_db()
    assert not (clerk.is_superuser)
    assert not (clerk.groups.exists())
    assert member.email == "ann@acme.test"
    assert not (member.is_superuser)
    assert not (member.is_staff)
    assert not (member.groups.exists())
    root.refresh_from_db()
    assert root.check_password("a password of root's")
