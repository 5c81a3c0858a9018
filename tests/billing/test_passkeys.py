"""Passkeys as a second factor: made, asked for, and refused where anything does not fit."""

import datetime as dt
import json
import re
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from typing import Any

import pytest
import segno
from django.core.checks import run_checks
from django.core.management import call_command
from django.db import connection
from django.test import Client

from billing.models import AuditEntry, Passkey, Session, User
from billing.services import passkeys, second_factor
from tests.kit.authenticator import Authenticator
from tests.kit.personas import NOW, PASSWORD, make_member, make_workspace
from tests.kit.staff import press

pytestmark = pytest.mark.django_db
ENROL, ASK = "/account/second-factor/", "/second-factor/"


@pytest.fixture(autouse=True)
def _here(time_machine: Any, settings: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    time_machine.move_to(NOW, tick=False)
    # The page shows the app's code as well. Trying all eight patterns for it takes as long as the
    # page does.
    monkeypatch.setattr(segno, "make", partial(segno.make, mask=0))
    settings.SITE_URL = "https://billing.acme.test"
    settings.ALLOWED_HOSTS = ["billing.acme.test", "other.acme.test"]
    settings.STAFF_SECOND_FACTOR = True


def browser() -> Client:
    return Client(headers={"Host": "billing.acme.test"})


def device(**facts: Any) -> Authenticator:
    given = {"host": "billing.acme.test", "origin": "https://billing.acme.test", **facts}
    return Authenticator(**given)


def staff(email: str = "fay@finance.test", **fields: Any) -> User:
    return User.objects.create_user(email, PASSWORD, is_staff=True, **fields)


def signed_in(user: User) -> Client:
    """With the password alone."""
    client = browser()
    answer = client.post("/login/", {"username": user.email, "password": PASSWORD})
    assert answer.status_code == 302, answer.content
    return client


def options_of(client: Client, page: str) -> dict[str, Any]:
    text = client.get(page).content.decode()
    found = re.search(r'<script id="passkey-options" type="application/json">(.*?)</script>', text)
    assert found
    return json.loads(found[1])


def make(client: Client, key: Authenticator, name: str = "Laptop", **facts: Any) -> Any:
    answer = key.make(options_of(client, ENROL), **facts)
    return client.post(ENROL, {"do": "passkey", "name": name, "answer": answer})


def enrolled(user: User, key: Authenticator) -> tuple[Client, list[str]]:
    """Signed in with a new passkey, and the recovery codes that were shown."""
    client = signed_in(user)
    page = make(client, key)
    assert page.status_code == 200, page.content.decode()
    return client, re.findall(r"<li>([a-z0-9-]{14})</li>", page.content.decode())


def asked(client: Client, key: Authenticator, **facts: Any) -> Any:
    answer = key.sign(options_of(client, ASK), **facts)
    return client.post(ASK, {"answer": answer, "next": "/admin/"})


def test_staff_may_set_up_a_passkey_in_place_of_an_app() -> None:
    fay, key = staff(is_superuser=True), device()
    client, codes = enrolled(fay, key)
    assert len(codes) == 10
    assert client.get("/admin/").status_code == 200
    kept = Passkey.objects.get()
    assert (kept.user, kept.name, kept.host) == (fay, "Laptop", "billing.acme.test")

    half = signed_in(fay)
    assert half.get("/admin/")["Location"] == "/second-factor/?next=%2Fadmin%2F"
    assert half.get("/api/v1/invoices/").status_code == 401
    session_before = half.cookies["sessionid"].value
    assert asked(half, key)["Location"] == "/admin/"
    assert half.cookies["sessionid"].value != session_before
    assert half.get("/admin/").status_code == 200
    kept.refresh_from_db()
    assert (kept.sign_count, kept.last_used_at) == (1, NOW)


def test_a_recovery_code_lets_in_who_has_lost_the_passkey() -> None:
    fay = staff()
    _, codes = enrolled(fay, device())
    half = signed_in(fay)
    page = half.get(ASK).content.decode()
    assert "Or type one of your recovery codes." in page
    assert half.post(ASK, {"token": codes[0]}).status_code == 302


def test_an_answer_is_good_once() -> None:
    fay, key = staff(), device(counts=False)
    enrolled(fay, key)
    first, second = signed_in(fay), signed_in(fay)
    answer = key.sign(options_of(first, ASK))
    options_of(second, ASK)
    # Another session has another challenge, even of the same person.
    assert second.post(ASK, {"answer": answer}).status_code == 422
    before = first.cookies["sessionid"].value
    assert first.post(ASK, {"answer": answer}).status_code == 302
    again = signed_in(fay)
    assert again.post(ASK, {"answer": answer}).status_code == 422
    assert not Session.objects.filter(session_key=before).exists()


def test_a_refused_answer_uses_its_challenge_up() -> None:
    fay, key = staff(), device(counts=False)
    enrolled(fay, key)
    half = signed_in(fay)
    answer = key.sign(options_of(half, ASK))
    broken = answer.replace('"signature": "', '"signature": "AAAA')
    session = half.session
    kept = session["passkey_asked"]["challenge"]
    assert half.post(ASK, {"answer": broken}).status_code == 422
    assert half.session["passkey_asked"]["challenge"] != kept
    assert half.post(ASK, {"answer": answer}).status_code == 422


@pytest.mark.django_db(transaction=True)
def test_of_two_answers_at_once_one_is_taken() -> None:
    """With keys that do not count, as those that a vendor keeps in step between devices."""
    fay, key = staff(), device(counts=False)
    enrolled(fay, key)
    half = signed_in(fay)
    answer = key.sign(options_of(half, ASK))
    cookie = half.cookies["sessionid"].value

    def send(_: int) -> int:
        client = browser()
        client.cookies["sessionid"] = cookie
        try:
            return client.post(ASK, {"answer": answer}).status_code
        finally:
            connection.close()

    with ThreadPoolExecutor(4) as pool:
        assert sorted(pool.map(send, range(4)))[:1] == [302]
    taken = Session.objects.filter(user=fay, session_data__isnull=False)
    assert sum("otp_device_id" in row.get_decoded() for row in taken) == 2  # enrolment's, and one


def test_a_lower_count_comes_from_a_copy_and_is_refused() -> None:
    fay, key = staff(), device()
    enrolled(fay, key)
    assert asked(signed_in(fay), key).status_code == 302
    key.uses = 0
    half = signed_in(fay)
    assert "not accepted" in asked(half, key).content.decode()
    assert half.get("/admin/").status_code == 302
    assert asked(half, key).status_code == 302  # the counter is above the one that is known


def test_a_page_is_open_for_five_minutes(time_machine: Any) -> None:
    fay, key = staff(), device()
    enrolled(fay, key)
    half = signed_in(fay)
    answer = key.sign(options_of(half, ASK))
    time_machine.move_to(NOW + dt.timedelta(minutes=5, seconds=1), tick=False)
    assert "open for too long" in half.post(ASK, {"answer": answer}).content.decode()


@pytest.mark.parametrize(
    ("host", "origin"),
    [
        ("evil.test", "https://billing.acme.test"),
        ("billing.acme.test", "https://evil.test"),
        ("billing.acme.test", "http://billing.acme.test"),
    ],
)
def test_what_was_signed_for_another_site_is_refused(host: str, origin: str) -> None:
    fay, key = staff(), device()
    client = signed_in(fay)
    assert make(client, device(host=host, origin=origin)).status_code == 422
    assert make(client, key).status_code == 200
    key.host, key.origin = host, origin
    assert asked(signed_in(fay), key).status_code == 422


def test_who_holds_the_device_has_to_confirm_it() -> None:
    fay, key = staff(), device()
    client = signed_in(fay)
    options = options_of(client, ENROL)
    assert options["authenticatorSelection"]["userVerification"] == "required"
    assert make(client, key, verified=False).status_code == 422
    make(client, key)
    half = signed_in(fay)
    assert options_of(half, ASK)["userVerification"] == "required"
    assert asked(half, key, verified=False).status_code == 422


def test_anothers_passkey_is_nothing_here() -> None:
    fay, gil = staff(), staff("gil@finance.test")
    hers, his = device(), device()
    enrolled(fay, hers)
    client, _ = enrolled(gil, his)
    assert asked(signed_in(fay), his).status_code == 422
    theirs = Passkey.objects.get(user=fay)
    for doing in ("remove", "rename"):
        answer = client.post(f"/account/passkeys/{theirs.pk}/", {"do": doing, "name": "Mine"})
        assert answer.status_code == 404
    theirs.refresh_from_db()
    assert theirs.name == "Laptop"
    # What is on one device is not somebody else's too.
    assert make(client, hers, "Stolen").status_code == 422


@pytest.mark.parametrize(
    "answer",
    [
        "",
        "[]",
        "{}",
        "no",
        "9" * 20_000,
        '{"id": 1}',
        '{"id": "AA", "rawId": "AA", "type": "public-key", "response": {}}',
        '{"id": "AA", "rawId": "AA", "type": "x", "response": {"clientDataJSON": "e30",'
        ' "attestationObject": "oA", "authenticatorData": "AA", "signature": "AA"}}',
        '{"id": "AA", "rawId": "AA", "type": "public-key", "response": {"clientDataJSON": "e30",'
        ' "attestationObject": "oA", "authenticatorData": "AA", "signature": "AA"}}',
        '{"id": "AA", "rawId": "AA", "type": "public-key", "response": {"clientDataJSON":'
        ' "\\u00e9\\u00e9", "attestationObject": "__8", "authenticatorData": [], "signature": 1}}',
        "[" * 15_000,
    ],
)
def test_what_no_browser_answers_is_refused(answer: str) -> None:
    fay, key = staff(), device()
    client = signed_in(fay)
    options_of(client, ENROL)
    page = client.post(ENROL, {"do": "passkey", "name": "Key", "answer": answer})
    assert page.status_code == 422
    make(client, key)
    half = signed_in(fay)
    options_of(half, ASK)
    assert half.post(ASK, {"answer": answer}).status_code == 422


@pytest.mark.parametrize("name", ["", " ", "a\nb", "x" * 65, "\x00"])
def test_a_passkey_has_a_name_of_one_line(name: str) -> None:
    client = signed_in(staff())
    assert make(client, device(), name).status_code == 422
    assert not Passkey.objects.exists()


def test_names_are_changed_and_told_apart() -> None:
    fay = staff()
    client, _ = enrolled(fay, device())
    assert make(client, device(), "Laptop").status_code == 422
    assert make(client, device(), "Blue key").status_code == 302
    blue = Passkey.objects.get(name="Blue key")
    page = client.post(
        f"/account/passkeys/{blue.pk}/", {"do": "rename", "name": "Laptop"}, follow=True
    ).content.decode()
    assert "You have another passkey of that name." in page
    client.post(f"/account/passkeys/{blue.pk}/", {"do": "rename", "name": "<b>Red</b>"})
    assert "&lt;b&gt;Red&lt;/b&gt;" in client.get("/account/").content.decode()


def test_recovery_codes_that_somebody_has_kept_stay_good() -> None:
    fay = staff()
    client, codes = enrolled(fay, device())
    make(client, device(), "Blue key")
    assert signed_in(fay).post(ASK, {"token": codes[0]}).status_code == 302


def test_ten_are_enough() -> None:
    client, _ = enrolled(staff(), device())
    for number in range(9):
        assert make(client, device(), f"Key {number}").status_code == 302
    assert "There are 10 passkeys already" in make(client, device(), "More").content.decode()


def test_staff_keep_a_factor_and_owners_need_none() -> None:
    fay, owner = staff(), make_member(make_workspace("Acme"))
    for person, left in ((fay, 1), (owner, 0)):
        client, _ = enrolled(person, device())
        passkey = Passkey.objects.get(user=person)
        elsewhere = signed_in(person)
        client.post(f"/account/passkeys/{passkey.pk}/", {"do": "remove"})
        assert Passkey.objects.filter(user=person).count() == left
        assert second_factor.is_enrolled(person) == bool(left)
        assert client.get("/account/").status_code == 200
        ended = elsewhere.get("/account/")["Location"].startswith("/login/")
        assert ended == (not left)
    assert second_factor.remaining_codes(fay) == 10
    assert second_factor.remaining_codes(owner) == 0


def test_who_removes_the_passkey_they_came_with_goes_on_with_another() -> None:
    fay = staff(is_superuser=True)
    client, _ = enrolled(fay, device())
    make(client, device(), "Blue key")
    blue = Passkey.objects.get(name="Blue key")
    client.post(f"/account/passkeys/{blue.pk}/", {"do": "remove"})
    assert client.get("/admin/").status_code == 200


def test_another_superuser_resets_passkeys_too_and_the_log_has_each_change() -> None:
    fay, key = staff(), device()
    theirs, _ = enrolled(fay, key)
    root = User.objects.create_superuser("root@staff.test", PASSWORD)
    admin, _ = enrolled(root, device())
    assert press_at(admin, fay).status_code == 302
    assert not second_factor.is_enrolled(fay)
    assert theirs.get("/account/")["Location"].startswith("/login/")
    made, gone = AuditEntry.objects.filter(table="billing_passkey", object_id=str(fay.pk)).order_by(
        "at"
    )
    assert (made.operation, made.actor, made.subject) == (
        "insert",
        fay.email,
        f"{fay.email}: Laptop",
    )
    told = (gone.operation, gone.actor, gone.reason)
    assert told == ("delete", "root@staff.test", "Lost her phone")
    assert "public_key" not in made.changes


def press_at(admin: Client, person: User) -> Any:
    return press(admin, "billing_user", "reset_second_factor", person.pk, reason="Lost her phone")


def test_who_has_no_factor_left_sets_one_up_by_command() -> None:
    fay = staff()
    enrolled(fay, device())
    call_command("reset_second_factor", fay.email)
    assert not Passkey.objects.exists()


def test_at_another_address_the_page_says_where_passkeys_work() -> None:
    client = signed_in(staff())
    page = client.get(ENROL, headers={"Host": "other.acme.test"}).content.decode()
    assert "https://billing.acme.test/account/second-factor/" in page
    assert "passkey-options" not in page


@pytest.mark.parametrize(
    ("address", "here"),
    [
        ("https://billing.acme.test", ("billing.acme.test", "https://billing.acme.test")),
        ("https://billing.acme.test:8443", ("billing.acme.test", "https://billing.acme.test:8443")),
        ("http://127.0.0.1:8000", ("localhost", "http://localhost:8000")),
        ("http://localhost:8000", ("localhost", "http://localhost:8000")),
        ("http://billing.acme.test", None),
        ("https://10.0.0.7", None),
    ],
)
def test_the_site_setting_says_where_passkeys_are_made(
    settings: Any, address: str, here: tuple[str, str] | None
) -> None:
    settings.SITE_URL = address
    assert passkeys.site() == here


def test_a_site_that_moves_is_told_that_its_passkeys_are_lost(settings: Any) -> None:
    fay, key = staff(), device()
    _, codes = enrolled(fay, key)
    assert run_checks(tags=["database"], databases=["default"]) == []
    settings.SITE_URL = "https://other.acme.test"
    [warning] = run_checks(tags=["database"], databases=["default"])
    assert warning.msg == ("1 passkeys were made at billing.acme.test and do not work at SITE_URL.")
    # The password alone opens no more than before, and sets no other factor up.
    half = signed_in(fay)
    assert half.get(ENROL)["Location"].startswith(ASK)
    assert half.post(ASK, {"token": codes[0]}).status_code == 302
    assert "works at billing.acme.test only" in half.get("/account/").content.decode()
