"""Owners invite by e-mail; a link is good once, for its time, and for who was invited."""

import datetime as dt
import re
import threading
from collections.abc import Iterator

import pytest
from django.core.mail import EmailMessage
from django.db import connection, transaction
from django.test import Client

from billing.errors import BillingError
from billing.models import AuditEntry, Email, Invitation, User, Workspace, WorkspaceMember
from billing.services import invitations
from tests.kit.locks import wait_until_somebody_waits
from tests.kit.personas import (
    NOW,
    PASSWORD,
    make_member,
    make_workspace,
    member_client,
    signed_in_client,
)

pytestmark = pytest.mark.django_db
NEW = "a new and long password"


@pytest.fixture(autouse=True)
def _today(time_machine: object) -> Iterator[object]:
    time_machine.move_to(NOW, tick=False)  # type: ignore[attr-defined]
    return time_machine


def invited(email: str = "Ann@Partner.test", role: str = "viewer", name: str = "Acme") -> str:
    """The path of the link that was mailed."""
    acme = make_workspace(name)
    invitations.invite(
        workspace_id=acme.pk, email=email, role=role, invited_by=acme.members.get(), now=NOW
    )
    assert invitations.mail_due(now=NOW) == 1
    return link_in()


def link_in() -> str:
    from django.core import mail  # noqa: PLC0415 - the outbox is made anew for each test

    found = re.search(r"/invitation/\S+/\S+/", str(mail.outbox[-1].body))
    assert found is not None
    return found[0]


def choose(client: Client, link: str, password: str = NEW):
    return client.post(link, {"new_password1": password, "new_password2": password})


def test_an_owner_invites_and_the_invited_joins_with_a_password(
    mailoutbox: list[EmailMessage], django_capture_on_commit_callbacks
) -> None:
    acme = make_workspace("Acme")
    owner = member_client(acme)
    with django_capture_on_commit_callbacks(execute=True):
        page = owner.post(
            f"/w/{acme.pk}/people/", {"email": "Ann@Partner.test", "role": "admin"}, follow=True
        ).content.decode()
    assert "An invitation is on its way to ann@partner.test." in page
    invitations.mail_due(now=NOW)
    assert mailoutbox[0].to == ["ann@partner.test"]
    assert "owner@acme.test invites you" in str(mailoutbox[0].body)
    assert not User.objects.filter(email="ann@partner.test").exists()

    ann = Client()
    assert "Save the password and join" in ann.get(link_in()).content.decode()
    answer = choose(ann, link_in())

    assert answer["Location"] == f"/w/{acme.pk}/"
    assert WorkspaceMember.objects.get(user__email="ann@partner.test").role == "admin"
    assert ann.get(f"/w/{acme.pk}/").status_code == 200
    assert User.objects.get(email="ann@partner.test").check_password(NEW)


def test_a_link_is_good_once_and_kept_nowhere(mailoutbox: list[EmailMessage]) -> None:
    link = invited()
    assert not Email.objects.exists()
    assert choose(Client(), link).status_code == 302
    assert choose(Client(), link, "another long password").status_code == 404
    assert User.objects.get(email="ann@partner.test").check_password(NEW)


@pytest.mark.parametrize("password", ["short", "12345678901", "password1"])
def test_a_weak_password_is_refused_and_the_link_stays_good(password: str) -> None:
    link = invited()
    assert choose(Client(), link, password).status_code == 422
    assert choose(Client(), link).status_code == 302


def test_a_link_gets_too_old(time_machine) -> None:
    link = invited()
    time_machine.move_to(NOW + dt.timedelta(days=7), tick=False)
    assert choose(Client(), link).status_code == 404
    assert not User.objects.filter(email="ann@partner.test").exists()


def test_a_link_sent_again_makes_the_one_before_worthless(mailoutbox: list[EmailMessage]) -> None:
    first = invited()
    invitation = Invitation.objects.get()
    owner = member_client(invitation.workspace)
    owner.post(f"/w/{invitation.workspace_id}/invitations/{invitation.pk}/", {"do": "again"})
    invitations.mail_due(now=NOW)

    assert choose(Client(), first).status_code == 404
    assert choose(Client(), link_in()).status_code == 302


def test_what_was_taken_back_opens_nothing() -> None:
    link = invited()
    invitation = Invitation.objects.get()
    place = f"/w/{invitation.workspace_id}/invitations/{invitation.pk}/"
    member_client(invitation.workspace).post(place, {"do": "cancel"})
    assert choose(Client(), link).status_code == 404


def test_who_has_an_account_signs_in_and_joins() -> None:
    globex = make_workspace("Globex")
    ann = make_member(globex, role="viewer")
    link = invited(ann.email)

    assert "Sign in to join" in Client().get(link).content.decode()
    assert choose(Client(), link).status_code == 409
    assert User.objects.get(pk=ann.pk).check_password(PASSWORD)
    assert signed_in_client(ann).post(link).status_code == 302
    assert ann.memberships.count() == 2


def test_somebody_else_who_is_signed_in_cannot_use_the_link() -> None:
    link = invited()
    mallory = signed_in_client(make_member(make_workspace("Globex")))
    assert "Sign out first" in mallory.get(link).content.decode()
    assert mallory.post(link).status_code == 409
    assert WorkspaceMember.objects.filter(workspace__name="Acme").count() == 1


def test_a_token_of_another_invitation_opens_nothing() -> None:
    token = invited().split("/")[-2]
    invited("bob@partner.test", name="Globex")
    other = Invitation.objects.get(email="bob@partner.test")
    assert Client().get(f"/invitation/{other.pk}/{token}/").status_code == 404


def test_a_mail_server_that_is_down_loses_no_invitation(monkeypatch, mailoutbox) -> None:
    acme = make_workspace("Acme")
    invitations.invite(
        workspace_id=acme.pk, email="ann@partner.test", role="viewer", invited_by=None, now=NOW
    )
    with monkeypatch.context() as patch:
        patch.setattr("django.core.mail.EmailMultiAlternatives.send", _refuse)
        assert invitations.mail_due(now=NOW) == 0
    assert invitations.mail_due(now=NOW) == 0
    assert invitations.mail_due(now=NOW + invitations.TRY_AGAIN_AFTER) == 1
    assert invitations.mail_due(now=NOW + dt.timedelta(days=1)) == 0


def _refuse(message: object) -> None:
    raise OSError("connection refused")


def test_one_address_has_one_open_invitation_and_no_member_is_invited() -> None:
    acme = make_workspace("Acme")
    for role in ("viewer", "admin"):
        invitations.invite(
            workspace_id=acme.pk, email="ann@partner.test", role=role, invited_by=None, now=NOW
        )
    assert Invitation.objects.get().role == "admin"
    owner = member_client(acme)
    page = owner.post(f"/w/{acme.pk}/people/", {"email": "OWNER@acme.test", "role": "viewer"})
    assert (page.status_code, "is a member already" in page.content.decode()) == (422, True)


def test_nobody_is_flooded() -> None:
    acme = make_workspace("Acme")

    def ask() -> None:
        invitations.invite(
            workspace_id=acme.pk, email="ann@x.test", role="viewer", invited_by=None, now=NOW
        )

    for _ in range(10):
        ask()
    with pytest.raises(BillingError, match="was invited 10 times"):
        ask()


def test_roles_change_and_members_go_but_the_last_owner_stays() -> None:
    acme = make_workspace("Acme")
    viewer = make_member(acme, role="viewer").memberships.get()
    owner = member_client(acme)
    me = WorkspaceMember.objects.get(workspace=acme, role="owner")

    owner.post(f"/w/{acme.pk}/people/{viewer.pk}/", {"role": "admin"})
    viewer.refresh_from_db()
    assert viewer.role == "admin"
    for last in ({"role": "viewer"}, {"do": "remove"}):
        page = owner.post(f"/w/{acme.pk}/people/{me.pk}/", last, follow=True).content.decode()
        assert "keeps at least one owner" in page
    owner.post(f"/w/{acme.pk}/people/{viewer.pk}/", {"do": "remove"})
    assert WorkspaceMember.objects.filter(workspace=acme).get() == me


def test_the_log_names_who_invited_whom(mailoutbox: list[EmailMessage]) -> None:
    acme = make_workspace("Acme")
    owner = member_client(acme)
    owner.post(f"/w/{acme.pk}/people/", {"email": "ann@partner.test", "role": "viewer"})
    entry = AuditEntry.objects.get(table="billing_invitation")
    assert (entry.actor, entry.subject) == ("owner@acme.test", "ann@partner.test")
    assert "Invitation of ann@partner.test" in owner.get(f"/w/{acme.pk}/changes/").content.decode()


@pytest.mark.django_db(transaction=True)
def test_two_who_follow_one_link_at_once_make_one_member() -> None:
    link = invited()
    statuses: list[int] = []

    def follow() -> None:
        statuses.append(choose(Client(), link).status_code)
        connection.close()

    threads = [threading.Thread(target=follow) for _ in range(2)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(statuses) == [302, 404]


@pytest.mark.django_db(transaction=True)
def test_who_accepts_while_an_owner_invites_anew_waits_in_turn() -> None:
    link = invited()
    acme = Workspace.objects.get()
    statuses: list[int] = []

    def follow() -> None:
        statuses.append(choose(Client(), link).status_code)
        connection.close()

    thread = threading.Thread(target=follow)
    with transaction.atomic():
        Workspace.objects.select_for_update(no_key=True).get()
        thread.start()
        wait_until_somebody_waits()
        invitations.invite(
            workspace_id=acme.pk,
            email=Invitation.objects.get().email,
            role="admin",
            invited_by=None,
            now=NOW,
        )
    thread.join()
    assert statuses == [404], "its link is worth nothing any more"
    assert Invitation.objects.get().accepted_at is None
