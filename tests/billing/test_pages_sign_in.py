"""Signing in, signing out, and where one lands."""

import pytest
from django.test import Client
from django.urls import reverse

from billing.models import User
from billing.services.members import set_member
from tests.kit.personas import PASSWORD, make_member, make_workspace, member_client

pytestmark = pytest.mark.django_db


def sign_in(client: Client, email: str, password: str, **more: str) -> object:
    return client.post("/login/", {"username": email, "password": password, **more})


def test_an_owner_signs_in_with_e_mail_in_any_case_and_lands_on_the_overview() -> None:
    acme = make_workspace("Acme")
    make_member(acme)
    client = Client()
    assert sign_in(client, "Owner@ACME.test", PASSWORD).url == "/"
    assert client.get("/").url == reverse("analytics:dashboard", args=[acme.pk])


def test_a_wrong_password_is_refused_without_saying_which_part_was_wrong() -> None:
    make_member(make_workspace("Acme"))
    known = sign_in(Client(), "owner@acme.test", "wrong")
    unknown = sign_in(Client(), "nobody@acme.test", "wrong")
    text = "E-mail address and password do not belong together."
    assert text in known.content.decode()
    assert text in unknown.content.decode()


def test_every_page_of_a_workspace_asks_who_is_there_and_comes_back_afterwards() -> None:
    acme = make_workspace("Acme")
    make_member(acme)
    page = reverse("usage:records", args=[acme.pk])
    client = Client()
    assert client.get(page).url == f"/login/?next={page}"
    assert sign_in(client, "owner@acme.test", PASSWORD, next=page).url == page


def test_the_way_back_never_leads_to_another_site() -> None:
    make_member(make_workspace("Acme"))
    answer = sign_in(Client(), "owner@acme.test", PASSWORD, next="https://evil.test/")
    assert answer.url == "/"


def test_signing_out_takes_a_post_and_ends_the_session() -> None:
    client = member_client(make_workspace("Acme"))
    assert client.get("/logout/").status_code == 405
    assert client.post("/logout/").url == "/login/"
    assert client.get("/").url == "/login/?next=/"


def test_someone_of_several_workspaces_comes_back_to_the_one_seen_last() -> None:
    acme, globex = make_workspace("Acme"), make_workspace("Globex")
    client = member_client(acme)
    set_member(workspace=globex, email="owner@acme.test", role="viewer")
    assert client.get("/").url == reverse("analytics:dashboard", args=[acme.pk])
    page = client.get(reverse("billing:settings", args=[globex.pk])).content.decode()
    assert "Acme" in page
    assert "Globex" in page
    assert client.get("/").url == reverse("analytics:dashboard", args=[globex.pk])


def test_a_person_without_a_workspace_is_told_what_to_do() -> None:
    client = Client()
    client.force_login(
        User.objects.create_user("new@acme.test"),
        backend="billing.sign_in_backend.SignInBackend",
    )
    page = client.get("/").content.decode()
    assert "No workspace yet" in page
    assert "new@acme.test" in page


def test_staff_without_a_workspace_go_to_their_admin() -> None:
    client = Client()
    client.force_login(
        User.objects.create_superuser("finance@platform.test"),
        backend="billing.sign_in_backend.SignInBackend",
    )
    assert client.get("/").url == "/admin/"


def test_too_many_wrong_passwords_close_the_door_for_a_while() -> None:
    make_member(make_workspace("Acme"))
    client = Client()
    for _ in range(8):
        last = sign_in(client, "owner@acme.test", "wrong")
    assert last.status_code == 429
    assert "Too many attempts" in last.content.decode()
    assert sign_in(client, "owner@acme.test", PASSWORD).status_code == 429


def test_pages_send_a_strict_content_security_policy() -> None:
    policy = Client().get("/login/").headers["Content-Security-Policy"]
    assert "script-src 'self'" in policy
    assert "unsafe" not in policy


def test_a_page_that_does_not_exist_says_so() -> None:
    answer = Client().get("/nowhere/")
    assert answer.status_code == 404
    assert "Page not found" in answer.content.decode()


def test_pages_of_a_workspace_are_kept_in_no_cache() -> None:
    acme = make_workspace("Acme")
    page = member_client(acme).get(reverse("billing:settings", args=[acme.pk]))
    assert "no-store" in page.headers["Cache-Control"]
