"""Staff who see a workspace as its owner does: what they read, what they cannot, and the trace."""

import datetime as dt
from typing import Any

import pytest
from django.contrib.auth.models import Permission
from django.db import IntegrityError, transaction
from django.test import Client
from django.urls import reverse

from billing.models import AuditEntry, OwnerView, User
from tests.access import callers
from tests.access.test_matrix import PAGES, ask, outcome
from tests.kit.personas import NOW, make_workspace, member_client, signed_in_client
from tests.kit.staff import finance_client, make_row_of_each_model, viewer_client

pytestmark = pytest.mark.django_db


@pytest.fixture(autouse=True)
def _today(time_machine: Any) -> None:
    time_machine.move_to(NOW, tick=False)


def opened(client: Client, workspace: Any, reason: str = "Ticket 12") -> Any:
    return client.post(reverse("finance:see_as_owner", args=[workspace.pk]), {"reason": reason})


def test_they_read_what_a_viewer_reads_and_change_nothing():
    acme, globex = make_row_of_each_model("Acme"), make_workspace("Globex")
    values, client = callers.values_of(acme), finance_client()
    assert opened(client, acme)["Location"] == f"/w/{acme.pk}/"
    wrong = []
    for row in PAGES:
        if not row.route.startswith("w/"):
            continue
        reads = row.method == "GET" and "viewer" in row.who
        found = outcome(ask(client, row, values))
        if found != ("yes" if reads else "403"):
            wrong.append(f"{row.method} {row.route}: {found}")
        if outcome(ask(client, row, values | {"workspace_id": globex.pk})) != "404":
            wrong.append(f"{row.method} {row.route} of Globex is there")
    assert not wrong, "\n".join(wrong)
    assert client.get(f"/api/v1/workspaces/{acme.pk}/").status_code == 404


def test_a_banner_says_so_until_it_is_left_and_owners_see_who_and_why():
    acme = make_workspace("Acme")
    client, page = finance_client(), f"/w/{acme.pk}/settings/"
    opened(client, acme)
    text = client.get(page).content.decode()
    assert "You see Acme as its owner does." in text
    assert "Why: Ticket 12" in text
    assert client.get("/")["Location"].startswith("/admin/")

    left = client.post(reverse("finance:leave_owner_view"))
    assert left["Location"] == reverse("finance:customer", args=[acme.pk])
    assert client.get(page).status_code == 404
    entry = AuditEntry.objects.get(table="billing_ownerview", operation="insert")
    assert (entry.workspace_id, entry.actor, entry.channel) == (
        acme.pk,
        "fay@finance.test",
        "admin",
    )
    owner = member_client(acme)
    changes = owner.get(f"/w/{acme.pk}/changes/").content.decode()
    for said in ("Seen as you see it, by the platform", "fay@finance.test", "Ticket 12"):
        assert said in changes
    assert "You see Acme" not in owner.get(page).content.decode()


def test_it_ends_after_half_an_hour_and_with_the_right_to_it(time_machine: Any):
    acme = make_workspace("Acme")
    client, page = finance_client(), f"/w/{acme.pk}/"
    opened(client, acme)
    time_machine.move_to(NOW + dt.timedelta(minutes=29), tick=False)
    assert client.get(page).status_code == 200
    time_machine.move_to(NOW + dt.timedelta(minutes=30), tick=False)
    ended = client.get(page, follow=True)
    assert ended.redirect_chain[0][0] == reverse("finance:customer", args=[acme.pk])
    assert "Your look at this workspace as its owner has ended." in ended.content.decode()

    opened(client, acme)
    assert client.get(page).status_code == 200
    User.objects.get(email="fay@finance.test").groups.clear()
    assert client.get(page).status_code == 404


def test_it_wants_its_own_right_a_post_and_a_reason():
    acme = make_workspace("Acme")
    viewer, fay = viewer_client(), finance_client()
    assert opened(viewer, acme).status_code == 403
    assert fay.get(reverse("finance:see_as_owner", args=[acme.pk])).status_code == 405
    for reason in (" ", "x" * 501):
        assert opened(fay, acme, reason)["Location"].startswith("/admin/")
    assert OwnerView.objects.count() == 0
    with pytest.raises(IntegrityError, match="who_and_why"), transaction.atomic():
        OwnerView.objects.create(
            workspace=acme, seen_by="fay", reason="", ends_at=NOW + dt.timedelta(minutes=1)
        )

    sam = User.objects.create_user("sam@support.test", is_staff=True)
    sam.user_permissions.add(Permission.objects.get(codename="open_ownerview"))
    client = signed_in_client(sam)
    opened(client, acme)
    assert client.get(f"/w/{acme.pk}/").status_code == 200
    # One person's look is nobody else's, in a session that names it or not.
    session = fay.session
    session["owner_view"] = client.session["owner_view"]
    session.save()
    assert fay.get(f"/w/{acme.pk}/").status_code == 404
