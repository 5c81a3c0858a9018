"""Whoever's second factor or password changes is told, and for staff the other superusers."""

from typing import Any

import pytest
from django.core.management import call_command
from django.test import Client
from django_otp.plugins.otp_totp.models import TOTPDevice

from billing.models import Email, Passkey, User
from billing.services import second_factor
from billing.services.passwords import mail_due, owe_password_link
from tests.billing.test_second_factor import code_of, enrolled, make_staff, signed_in
from tests.kit.personas import NOW, PASSWORD, make_member, make_workspace

pytestmark = pytest.mark.django_db


@pytest.fixture(autouse=True)
def _today(time_machine: Any) -> None:
    time_machine.move_to(NOW, tick=False)


def told() -> list[tuple[str, str]]:
    """Who was told what, and forget it."""
    found = [(each.recipients[0], each.subject) for each in Email.objects.order_by("key")]
    Email.objects.all().delete()
    return sorted(found)


def test_an_owner_is_told_of_each_change_and_nobody_else() -> None:
    make_staff("root@finance.test", is_superuser=True)
    owner = make_member(make_workspace("Acme"))
    client, _device, _codes = enrolled(owner)
    assert told() == [(owner.email, "An authenticator app was set up for your account")]

    client.post("/account/second-factor/", {"do": "codes"})
    assert told() == [(owner.email, "New recovery codes were made for your account")]

    passkey = Passkey.objects.create(
        user=owner,
        name="<b>Phone</b>",
        credential_id=b"1",
        public_key=b"2",
        host="localhost",
        created_at=NOW,
    )
    client.post(f"/account/passkeys/{passkey.pk}/", {"do": "remove"})
    mail = Email.objects.get()
    assert mail.subject == "A passkey was removed from your account"
    assert "Passkey: <b>Phone</b>" in mail.text
    assert "&lt;b&gt;Phone&lt;/b&gt;" in mail.html
    told()

    client.post("/account/second-factor/", {"do": "remove"})
    assert told() == [(owner.email, "The authenticator app of your account was removed")]
    client.post("/account/second-factor/", {"do": "remove"})  # there is none any more
    assert told() == []


def test_the_mail_says_when_and_what_to_do_in_the_language_of_its_reader() -> None:
    owner = make_member(make_workspace("Acme"))
    User.objects.filter(pk=owner.pk).update(language="de")
    enrolled(owner)

    mail = Email.objects.get()
    assert mail.subject == "Für Ihr Konto wurde eine Authenticator-App eingerichtet"
    assert f"{NOW:%Y-%m-%d %H:%M} UTC" in mail.text
    assert "/account/" in mail.text


def test_other_superusers_are_told_of_staff() -> None:
    root = make_staff("root@finance.test", is_superuser=True)
    make_staff("gone@finance.test", is_superuser=True, is_active=False)
    fay = make_staff()
    enrolled(fay)
    assert told() == [
        (fay.email, "An authenticator app was set up for your account"),
        (root.email, f"{fay.email}: An authenticator app was set up for this account"),
    ]
    call_command("reset_second_factor", fay.email)
    assert told() == [
        (fay.email, "The second factor of your account was reset"),
        (root.email, f"{fay.email}: The second factor of this account was reset"),
    ]
    enrolled(root)
    assert told() == [(root.email, "An authenticator app was set up for your account")]


def test_a_wrong_code_is_no_news() -> None:
    owner = make_member(make_workspace("Acme"))
    client = signed_in(owner)
    client.get("/account/second-factor/")
    wrong = f"{(int(code_of(TOTPDevice.objects.get())) + 1) % 10**6:06d}"
    assert (
        client.post("/account/second-factor/", {"do": "confirm", "token": wrong}).status_code == 422
    )
    assert told() == []


def test_a_changed_password_is_told_a_first_one_is_not(mailoutbox: list[Any]) -> None:
    owner = User.objects.create_user("owner@acme.test")
    assert not owner.has_usable_password()
    owner.set_password(PASSWORD)
    owner.save()
    assert told() == []

    owe_password_link(user=owner, now=NOW)
    mail_due(now=NOW)
    link = next(word for word in mailoutbox[0].body.split() if "/password/" in word)
    client = Client()
    form = client.get(link[link.index("/password/") :], follow=True).redirect_chain[-1][0]
    new = "another long password"
    client.post(form, {"new_password1": new, "new_password2": new})
    assert told() == [(owner.email, "The password of your account was changed")]


def test_a_hash_made_anew_at_a_sign_in_is_no_change(settings: Any) -> None:
    owner = make_member(make_workspace("Acme"))
    hashers = "django.contrib.auth.hashers"
    settings.PASSWORD_HASHERS = [f"{hashers}.PBKDF2PasswordHasher", *settings.PASSWORD_HASHERS]
    signed_in(owner)
    owner.refresh_from_db()
    assert owner.password.startswith("pbkdf2_")
    assert told() == []


def test_a_reset_by_another_superuser_is_told() -> None:
    root = make_staff("root@finance.test", is_superuser=True)
    fay = make_staff()
    second_factor.reset(user=fay, by=root, now=NOW)
    assert [subject for _, subject in told()] == [
        "The second factor of your account was reset",
        f"{fay.email}: The second factor of this account was reset",
    ]
