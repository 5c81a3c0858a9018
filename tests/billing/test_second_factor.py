"""A code after the password: asked of who has set it up, and of all staff where that is set."""

import datetime as dt
import re
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from smtplib import SMTPRecipientsRefused, SMTPServerDisconnected
from threading import Barrier
from typing import Any

import pytest
from django.core.mail import EmailMessage
from django.core.management import CommandError, call_command
from django.db import connection
from django.test import Client
from django.utils import timezone as clock
from django_otp.oath import totp
from django_otp.plugins.otp_static.models import StaticToken
from django_otp.plugins.otp_totp.models import TOTPDevice

from billing.models import AuditEntry, OwedPasswordLink, Session, User
from billing.queue import BrokerUnavailable
from billing.services import second_factor, sign_in
from billing.services.passwords import mail_due, owe_password_link
from tests.kit.personas import NOW, PASSWORD, make_member, make_workspace
from tests.kit.staff import page_after, press

pytestmark = pytest.mark.django_db


@pytest.fixture(autouse=True)
def _today(time_machine: Any) -> Iterator[Any]:
    time_machine.move_to(NOW, tick=False)
    return time_machine


def code_of(device: TOTPDevice) -> str:
    return f"{totp(device.bin_key, t0=0):06d}"


def make_staff(email: str = "fay@finance.test", **fields: Any) -> User:
    return User.objects.create_user(email, PASSWORD, is_staff=True, **fields)


def signed_in(user: User) -> Client:
    """With the password alone."""
    client = Client()
    form = {"username": user.email, "password": PASSWORD}
    assert client.post("/login/", form).status_code == 302
    return client


def enrolled(user: User) -> tuple[Client, TOTPDevice, list[str]]:
    """Whoever has set up an app, signed in, with the recovery codes shown."""
    client = signed_in(user)
    client.get("/account/second-factor/")
    device = TOTPDevice.objects.get(user=user, confirmed=False)
    page = client.post("/account/second-factor/", {"do": "confirm", "token": code_of(device)})
    codes = re.findall(r"<li>([a-z0-9-]{14})</li>", page.content.decode())
    device.refresh_from_db()
    return client, device, codes


def later(time_machine: Any, seconds: int = 60) -> None:
    """A code is good once: until the next one."""
    time_machine.move_to(dt.datetime.fromtimestamp(time.time() + seconds, dt.UTC), tick=False)


def test_staff_set_up_an_app_before_anything_else(settings: Any) -> None:
    settings.STAFF_SECOND_FACTOR = True
    fay = make_staff(is_superuser=True)
    client = signed_in(fay)

    for page in ("/admin/", "/admin/billing/user/", "/"):
        assert client.get(page)["Location"].startswith("/account/second-factor/?next=")
    assert client.get("/api/v1/invoices/").status_code == 401
    page = client.get("/account/second-factor/").content.decode()
    assert "Staff sign in with a password and a second factor" in page
    assert "<svg" in page

    client, device, codes = enrolled(fay)
    assert device.confirmed
    assert len(codes) == len(set(codes)) == 10
    assert 'href="/account/"' in client.get("/admin/").content.decode()


def test_the_password_alone_opens_nothing(settings: Any, time_machine: Any) -> None:
    settings.STAFF_SECOND_FACTOR = True
    fay = make_staff(is_superuser=True)
    _, device, _ = enrolled(fay)
    later(time_machine)
    client = signed_in(fay)

    assert client.get("/admin/")["Location"] == "/second-factor/?next=%2Fadmin%2F"
    assert client.get("/account/")["Location"].startswith("/second-factor/")
    assert client.post("/account/second-factor/", {"do": "remove"}).status_code == 302
    assert TOTPDevice.objects.get().confirmed
    key_before = client.cookies["sessionid"].value
    answer = client.post("/second-factor/", {"token": code_of(device), "next": "/admin/"})
    assert answer["Location"] == "/admin/"
    assert client.cookies["sessionid"].value != key_before
    assert client.get("/admin/").status_code == 200


def test_a_code_is_good_once(time_machine: Any) -> None:
    _, device, _ = enrolled(make_staff())
    later(time_machine)
    code = code_of(device)
    fay = User.objects.get(email="fay@finance.test")
    assert signed_in(fay).post("/second-factor/", {"token": code}).status_code == 302
    again = signed_in(fay).post("/second-factor/", {"token": code})
    assert again.status_code == 422


def test_wrong_codes_are_slowed_down(time_machine: Any) -> None:
    fay = make_staff()
    _, device, _ = enrolled(fay)
    later(time_machine)
    client = signed_in(fay)
    wrong = f"{(int(code_of(device)) + 1) % 1_000_000:06d}"
    assert "That code is wrong" in client.post("/second-factor/", {"token": wrong}).content.decode()
    at_once = client.post("/second-factor/", {"token": code_of(device)})
    assert "Too many wrong codes" in at_once.content.decode()
    later(time_machine, 2)
    assert client.post("/second-factor/", {"token": code_of(device)}).status_code == 302


def test_a_recovery_code_lets_in_once_however_it_is_typed(time_machine: Any) -> None:
    fay = make_staff()
    _, _, codes = enrolled(fay)
    typed = codes[0].upper().replace("-", " ")
    assert signed_in(fay).post("/second-factor/", {"token": typed}).status_code == 302
    assert signed_in(fay).post("/second-factor/", {"token": typed}).status_code == 422
    assert second_factor.remaining_codes(fay) == 9
    assert not StaticToken.objects.filter(token=codes[1].replace("-", "")).exists()


def test_the_way_back_never_leads_to_another_site() -> None:
    fay = make_staff()
    _, _, codes = enrolled(fay)
    sent = {"token": codes[0], "next": "https://evil.test/"}
    assert signed_in(fay).post("/second-factor/", sent)["Location"] == "/"


def test_owners_may_set_one_up_and_take_it_away(settings: Any) -> None:
    settings.STAFF_SECOND_FACTOR = True
    acme = make_workspace("Acme")
    owner = make_member(acme)
    assert signed_in(owner).get(f"/w/{acme.pk}/").status_code == 200

    client, _, _ = enrolled(owner)
    half = signed_in(owner)
    assert half.get(f"/w/{acme.pk}/").status_code == 302
    assert half.get("/api/v1/invoices/").status_code == 401
    assert client.get("/api/v1/invoices/").status_code == 200
    client.post("/account/second-factor/", {"do": "remove"})
    assert not second_factor.is_enrolled(owner)
    assert signed_in(owner).get(f"/w/{acme.pk}/").status_code == 200


def test_setting_one_up_ends_other_sessions() -> None:
    fay = make_staff()
    elsewhere = signed_in(fay)
    enrolled(fay)
    assert elsewhere.get("/account/")["Location"].startswith("/login/")


def test_another_superuser_resets_it_and_the_log_says_who_and_why() -> None:
    fay = make_staff()
    theirs, _, _ = enrolled(fay)
    root = User.objects.create_superuser("root@staff.test", PASSWORD)
    admin = signed_in(root)

    press(admin, "billing_user", "reset_second_factor", fay.pk, reason="Lost her phone")

    assert not second_factor.is_enrolled(fay)
    assert theirs.get("/account/")["Location"].startswith("/login/")
    entry = AuditEntry.objects.filter(table="otp_totp_totpdevice", operation="delete").get()
    told = (entry.actor, entry.subject, entry.reason, entry.object_id)
    assert told == ("root@staff.test", "fay@finance.test", "Lost her phone", str(fay.pk))
    assert entry.changes["key"] == ["(hidden)", "(hidden)"]


def test_nobody_resets_their_own() -> None:
    root = User.objects.create_superuser("root@staff.test", PASSWORD)
    admin, _, _ = enrolled(root)
    assert press(admin, "billing_user", "reset_second_factor", root.pk).status_code == 403
    assert second_factor.is_enrolled(root)


def test_who_runs_the_server_resets_it_by_command() -> None:
    fay = make_staff()
    theirs, _, _ = enrolled(fay)
    call_command("reset_second_factor", "Fay@finance.test")
    assert not second_factor.is_enrolled(fay)
    assert theirs.get("/account/").status_code == 302
    with pytest.raises(CommandError, match=r"nobody with the address x@y\.test"):
        call_command("reset_second_factor", "x@y.test")


def test_staff_sign_in_anew_after_twelve_hours(time_machine: Any) -> None:
    client = signed_in(make_staff())
    time_machine.move_to(NOW + dt.timedelta(hours=11, minutes=59), tick=False)
    assert client.get("/admin/").status_code == 200
    time_machine.move_to(NOW + dt.timedelta(hours=12, minutes=1), tick=False)
    assert client.get("/admin/").status_code == 302


def test_who_becomes_staff_does_not_keep_a_long_session(time_machine: Any) -> None:
    owner = make_member(make_workspace("Acme"))
    client = signed_in(owner)
    User.objects.filter(pk=owner.pk).update(is_staff=True)
    time_machine.move_to(NOW + dt.timedelta(hours=13), tick=False)
    assert client.get("/admin/").status_code == 302


def test_one_sees_where_one_is_signed_in_and_ends_it() -> None:
    owner = make_member(make_workspace("Acme"))
    phone = Client(headers={"User-Agent": "Phone browser"})
    phone.post("/login/", {"username": owner.email, "password": PASSWORD})
    here = signed_in(owner)
    other = signed_in(make_member(make_workspace("Globex")))

    page = here.get("/account/").content.decode()
    assert "Phone browser" in page
    key = Session.objects.get(browser="Phone browser").session_key
    assert key not in page
    [named] = re.findall(r'name="session" value="([0-9a-f]{24})"', page)
    other.post("/account/sessions/", {"session": named})
    assert phone.get("/account/").status_code == 200
    here.post("/account/sessions/", {"session": named})
    assert phone.get("/account/").status_code == 302
    assert here.get("/account/").status_code == 200
    assert other.get("/account/").status_code == 200


def test_a_new_person_is_mailed_a_link_and_no_password_is_typed(
    mailoutbox: list[EmailMessage], django_capture_on_commit_callbacks: Any, monkeypatch: Any
) -> None:
    asked: list[Any] = []
    monkeypatch.setattr("billing.services.passwords.enqueue", lambda *args: asked.append(args))
    admin = signed_in(User.objects.create_superuser("root@staff.test", PASSWORD))
    assert 'type="password"' not in admin.get("/admin/billing/user/add/").content.decode()
    with django_capture_on_commit_callbacks(execute=True):
        answer = admin.post(
            "/admin/billing/user/add/", {"email": "New@Staff.test", "name": "New", "is_staff": "on"}
        )
    assert answer.status_code == 302, answer.content.decode()
    person = User.objects.get(email="new@staff.test")
    assert (person.is_staff, person.has_usable_password()) == (True, False)
    assert asked == [("billing.mail_password_links",)]
    assert OwedPasswordLink.objects.get().user == person
    assert admin.get(f"/admin/billing/user/{person.pk}/password/").status_code == 403


def test_staff_mail_a_link_that_a_mail_server_or_a_broker_cannot_lose(
    monkeypatch: Any, mailoutbox: list[EmailMessage]
) -> None:
    person = make_staff("new@staff.test")
    admin = signed_in(User.objects.create_superuser("root@staff.test", PASSWORD))
    # A broker that is down: nothing is started.
    monkeypatch.setattr("billing.services.passwords.enqueue", lambda *args: None)
    said = page_after(admin, press(admin, "billing_user", "mail_link", person.pk))
    assert "A link is on its way to new@staff.test." in said
    assert OwedPasswordLink.objects.get().user == person

    now, send = clock.now(), EmailMessage.send
    monkeypatch.setattr(EmailMessage, "send", _away)
    assert mail_due(now=now) == 0
    monkeypatch.setattr(EmailMessage, "send", send)
    assert mail_due(now=now) == 0
    # However long the mail server was away.
    month_later = now + dt.timedelta(days=30)
    assert mail_due(now=month_later) == 1
    assert mail_due(now=month_later + dt.timedelta(days=1)) == 0
    assert [message.to for message in mailoutbox] == [["new@staff.test"]]
    assert not OwedPasswordLink.objects.exists()


@pytest.mark.parametrize(("code", "owed"), [(550, 0), (450, 1)])
def test_no_link_is_owed_to_a_mailbox_that_there_is_not(
    monkeypatch: Any, code: int, owed: int
) -> None:
    person, now = make_staff("gone@staff.test"), clock.now()
    monkeypatch.setattr("billing.services.passwords.enqueue", lambda *args: None)
    owe_password_link(user=person, now=now)

    def refuse(*args: Any) -> int:
        raise SMTPRecipientsRefused({"gone@staff.test": (code, b"no")})

    monkeypatch.setattr(EmailMessage, "send", refuse)
    assert mail_due(now=now) == 0
    assert OwedPasswordLink.objects.count() == owed


def _away(*args: Any) -> int:
    raise SMTPServerDisconnected("Connection unexpectedly closed")


def test_who_asks_for_a_link_while_the_broker_is_down_is_told(monkeypatch: Any) -> None:
    def away(*args: Any) -> None:
        raise BrokerUnavailable("Redis cannot be reached: nothing was started.")

    monkeypatch.setattr("billing.pages.enqueue_for_sure", away)
    for email in ("owner@acme.test", "nobody@acme.test"):
        answer = Client().post("/password/", {"email": email})
        assert answer.status_code == 503
        assert "Try again in a minute" in answer.content.decode()


def test_what_is_over_is_forgotten(time_machine: Any) -> None:
    owner = make_member(make_workspace("Acme"))
    signed_in(owner)
    Client().post("/login/", {"username": owner.email, "password": "wrong"})
    sign_in.prune(now=NOW)
    assert Session.objects.count() == 1
    sign_in.prune(now=NOW + dt.timedelta(days=91))
    assert not Session.objects.exists()
    assert not sign_in.AccessAttempt.objects.exists()
    assert not sign_in.AccessLog.objects.exists()


@pytest.mark.django_db(transaction=True)
def test_two_who_begin_to_enrol_at_once_are_given_one_secret() -> None:
    fay = make_staff()
    together = Barrier(4)

    def begin() -> str:
        together.wait()
        try:
            return second_factor.begin_enrolment(user=fay).secret
        finally:
            connection.close()

    with ThreadPoolExecutor(4) as pool:
        secrets = {future.result() for future in [pool.submit(begin) for _ in range(4)]}
    assert len(secrets) == 1
    assert TOTPDevice.objects.filter(user=fay).count() == 1
