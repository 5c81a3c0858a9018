"""Setting a password by a link that only its owner's mailbox gets."""

import re

import pytest
from django.core.mail import EmailMessage
from django.test import Client

from billing.models import Email, User
from billing.services.passwords import mail_password_link
from tests.kit.personas import NOW, make_member, make_workspace

pytestmark = pytest.mark.django_db
NEW = "a new and long password"


def link_in(message: EmailMessage) -> str:
    found = re.search(r"/password/\S+/\S+/", str(message.body))
    assert found is not None
    return found[0]


def choose(link: str, first: str = NEW, second: str = NEW) -> tuple[Client, object]:
    client = Client()
    form = client.get(link, follow=True).redirect_chain[-1][0]
    return client, client.post(form, {"new_password1": first, "new_password2": second})


def test_an_owner_made_by_the_api_sets_the_first_password(
    mailoutbox: list[EmailMessage],
) -> None:
    make_workspace("Acme")
    assert not User.objects.get(email="owner@acme.test").has_usable_password()
    assert mail_password_link(email="Owner@Acme.test", now=NOW)
    assert mailoutbox[0].to == ["owner@acme.test"]
    choose(link_in(mailoutbox[0]))
    answer = Client().post("/login/", {"username": "owner@acme.test", "password": NEW})
    assert answer.status_code == 302


def test_a_link_works_once(mailoutbox: list[EmailMessage]) -> None:
    make_member(make_workspace("Acme"))
    mail_password_link(email="owner@acme.test", now=NOW)
    link = link_in(mailoutbox[0])
    choose(link)
    again = Client().get(link).content.decode()
    assert "This link has been used or is too old" in again


def test_the_link_is_kept_nowhere_that_staff_can_read(mailoutbox: list[EmailMessage]) -> None:
    make_member(make_workspace("Acme"))
    mail_password_link(email="owner@acme.test", now=NOW)
    assert len(mailoutbox) == 1
    assert not Email.objects.exists()


def test_nobody_is_flooded(mailoutbox: list[EmailMessage]) -> None:
    make_member(make_workspace("Acme"))
    for _ in range(3):
        mail_password_link(email="owner@acme.test", now=NOW)
    assert len(mailoutbox) == 1


def test_strangers_and_people_who_have_left_get_nothing(mailoutbox: list[EmailMessage]) -> None:
    user = make_member(make_workspace("Acme"))
    user.is_active = False
    user.save()
    assert not mail_password_link(email="owner@acme.test", now=NOW)
    assert not mail_password_link(email="nobody@acme.test", now=NOW)
    assert mailoutbox == []


def test_a_weak_or_mistyped_password_is_refused(mailoutbox: list[EmailMessage]) -> None:
    make_member(make_workspace("Acme"))
    mail_password_link(email="owner@acme.test", now=NOW)
    link = link_in(mailoutbox[0])
    assert "too common" in choose(link, "password", "password")[1].content.decode()
    assert "match" in choose(link, NEW, "another one")[1].content.decode()


def test_the_form_says_the_same_to_owners_and_strangers() -> None:
    make_member(make_workspace("Acme"))
    owner = Client().post("/password/", {"email": "owner@acme.test"})
    stranger = Client().post("/password/", {"email": "nobody@acme.test"})
    assert "Look into your mailbox" in owner.content.decode()
    assert owner.content == stranger.content
