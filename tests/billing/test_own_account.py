"""One's own account: name, language, clock, numbers, password, mails; and many workspaces."""

import datetime as dt
import re

import pytest
from django.db import IntegrityError, transaction
from django.test import Client
from django.urls import reverse

from billing.formats import money
from billing.languages import Habits, habits, in_language
from billing.models import AuditEntry, OptionalMail, Session, User, Workspace, WorkspaceMember
from billing.services.emails import addresses_wanting
from tests.kit.personas import (
    PASSWORD,
    make_member,
    make_workspace,
    member_client,
    signed_in_client,
)
from tests.kit.usage import make_call

pytestmark = pytest.mark.django_db
ACCOUNT = "/account/"
DETAILS = {
    "form": "details",
    "name": "Olive Owner",
    "language": "de",
    "time_zone": "Asia/Tokyo",
    "number_format": "fr",
}


def text_of(page: str) -> str:
    return " ".join(re.sub(r"<[^>]*>", " ", page).split())


def test_name_language_clock_and_numbers_are_kept_and_said_in_the_new_language():
    owner = make_member(make_workspace())
    client = signed_in_client(owner)

    page = client.post(ACCOUNT, DETAILS, follow=True)

    owner.refresh_from_db()
    assert (owner.name, owner.language) == ("Olive Owner", "de")
    assert (owner.time_zone, owner.number_format) == ("Asia/Tokyo", "fr")
    assert '<html lang="de">' in page.content.decode()
    assert "Ihr Konto ist gespeichert." in page.content.decode()


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("time_zone", "Mars/Olympus"),
        ("language", "xx"),
        ("number_format", "ja"),
        ("name", "two\nlines"),
    ],
)
def test_what_there_is_not_is_refused_at_its_field_and_nothing_kept(field: str, value: str):
    owner = make_member(make_workspace())

    page = signed_in_client(owner).post(ACCOUNT, {**DETAILS, field: value})

    assert page.status_code == 422
    assert f'id="id_{field}_error"' in page.content.decode()
    owner.refresh_from_db()
    assert (owner.name, owner.language, owner.time_zone) == ("", "", "")


def test_times_of_day_are_on_the_persons_clock_and_the_page_names_it():
    acme = make_workspace(timezone="Europe/Berlin")
    owner = make_member(acme)
    # 22:30 in Berlin is the morning after in Tokyo.
    make_call(acme, dt.datetime(2026, 11, 21, 21, 30, tzinfo=dt.UTC))
    client = signed_in_client(owner)
    calls = reverse("usage:calls", args=[acme.pk])
    assert "21 Nov 2026, 22:30:00" in client.get(calls).content.decode()

    User.objects.filter(pk=owner.pk).update(time_zone="Asia/Tokyo")

    page = client.get(calls).content.decode()
    assert "22 Nov 2026, 06:30:00" in page
    assert "In Asia/Tokyo time" in page


def test_a_paper_made_for_a_page_has_nothing_of_its_readers_habits():
    with in_language("en", Habits("fr", "Asia/Tokyo")):
        assert money(1234, "USD") == "$1\N{NARROW NO-BREAK SPACE}234,00"
        with in_language("en"):
            assert money(1234, "USD") == "$1,234.00"
            assert habits() == Habits()
        assert habits().time_zone == "Asia/Tokyo"


def test_a_new_password_keeps_this_browser_and_ends_all_others():
    owner = make_member(make_workspace())
    here, elsewhere = signed_in_client(owner), signed_in_client(owner)
    new = "battery staple horse 9"

    wrong = here.post(
        ACCOUNT,
        {"form": "password", "old_password": "no", "new_password1": new, "new_password2": new},
    )
    assert wrong.status_code == 422
    assert elsewhere.get(ACCOUNT).status_code == 200
    short = here.post(
        ACCOUNT,
        {
            "form": "password",
            "old_password": PASSWORD,
            "new_password1": "12345",
            "new_password2": "12345",
        },
    )
    assert short.status_code == 422
    right = here.post(
        ACCOUNT,
        {"form": "password", "old_password": PASSWORD, "new_password1": new, "new_password2": new},
        follow=True,
    )

    assert "Your password is changed." in right.content.decode()
    owner.refresh_from_db()
    assert owner.check_password(new)
    assert elsewhere.get(ACCOUNT).status_code == 302
    assert Session.objects.filter(user=owner).count() == 1


def test_an_owner_does_without_a_mail_and_the_others_still_get_it():
    acme = make_workspace()  # owned by owner@acme.test
    second = User.objects.create_user("second@acme.test", PASSWORD)
    WorkspaceMember.objects.create(workspace=acme, user=second, role="owner")
    client = signed_in_client(second)

    client.post(f"/account/mails/{acme.pk}/", {"mails": [*OptionalMail.values[1:]]})

    assert addresses_wanting(acme, OptionalMail.LIMIT_NEAR) == ["owner@acme.test"]
    assert addresses_wanting(acme, OptionalMail.LIMIT_REACHED) == [
        "owner@acme.test",
        "second@acme.test",
    ]
    assert "1 turned off" in text_of(client.get(ACCOUNT).content.decode())
    entry = AuditEntry.objects.filter(table="billing_workspacemember").latest("at")
    assert (entry.actor, entry.subject) != ("", "")


def test_a_viewer_does_without_what_budgets_tell_and_is_asked_of_nothing_else():
    acme = make_workspace()
    vera = User.objects.create_user("vera@acme.test", PASSWORD)
    WorkspaceMember.objects.create(workspace=acme, user=vera, role="viewer")
    client = signed_in_client(vera)

    assert "The usage limit is reached" not in client.get(ACCOUNT).content.decode()
    client.post(f"/account/mails/{acme.pk}/", {"mails": []})

    assert acme.memberships.get(user__email="vera@acme.test").mails_off == [OptionalMail.BUDGET]
    more = client.post(f"/account/mails/{acme.pk}/", {"mails": ["limit_near"]}, follow=True)
    assert "limit_near is not one of" in more.content.decode()


def test_where_all_owners_do_without_it_the_billing_address_does_not_get_it_instead():
    acme = make_workspace(billing_email="billing@acme.test")
    WorkspaceMember.objects.filter(workspace=acme).update(mails_off=["limit_near"])
    assert addresses_wanting(acme, OptionalMail.LIMIT_NEAR) == []

    WorkspaceMember.objects.filter(workspace=acme).delete()
    assert addresses_wanting(acme, OptionalMail.LIMIT_NEAR) == ["billing@acme.test"]


def test_invoices_cannot_be_turned_off_and_another_workspaces_mails_are_nobodys():
    acme, globex = make_workspace("Acme"), make_workspace("Globex")
    client = member_client(acme)

    page = client.post(f"/account/mails/{acme.pk}/", {"mails": ["invoice_issued"]}, follow=True)

    assert "invoice_issued is not one of" in page.content.decode()
    member = acme.memberships.get()
    assert member.mails_off == []
    assert client.post(f"/account/mails/{globex.pk}/", {"mails": []}).status_code == 404
    with pytest.raises(IntegrityError), transaction.atomic():
        WorkspaceMember.objects.filter(pk=member.pk).update(mails_off=["invoice_issued"])


def in_a_hundred(client_of: User) -> list[Workspace]:
    made = [make_workspace(f"Branch {number:03}") for number in range(100)]
    WorkspaceMember.objects.bulk_create(
        WorkspaceMember(workspace=one, user=client_of, role="owner") for one in made
    )
    return made


def test_of_a_hundred_workspaces_one_is_found_by_a_part_of_its_name_without_a_script():
    owner = User.objects.create_user("many@acme.test", PASSWORD)
    made = in_a_hundred(owner)
    client = signed_in_client(owner)

    page = client.get(reverse("billing:settings", args=[made[70].pk])).content.decode()
    menu = page[page.index('id="workspace-menu"') : page.index('class="menu-foot"')]
    assert menu.count('class="avatar"') == 8
    assert "Branch 070" in menu
    assert "All 100 workspaces" in menu
    assert 'action="/workspaces/"' in menu

    several = client.get("/workspaces/", {"q": "BRANCH 07"}).content.decode()
    assert several.count('class="avatar"') == 11  # 007 too
    only = client.get("/workspaces/", {"q": "branch 042"})
    assert only["Location"] == reverse("analytics:dashboard", args=[made[42].pk])
    none = client.get("/workspaces/", {"q": "<b>"})
    assert none.status_code == 200
    assert "None of your workspaces has such a name." in none.content.decode()
    assert client.get("/workspaces/").content.decode().count('class="avatar"') == 100
    # Mails too are found by the workspace's name.
    account = client.get(ACCOUNT, {"q": "branch 09"}).content.decode()
    assert account.count("/account/mails/") == 10


def test_somebody_elses_workspace_is_not_found():
    make_workspace("Globex")
    client = member_client(make_workspace("Acme"))
    page = client.get("/workspaces/", {"q": "glob"}).content.decode()
    assert "Globex" not in page
    assert Client().get("/workspaces/").status_code == 302
