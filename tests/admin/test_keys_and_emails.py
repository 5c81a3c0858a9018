"""Service keys shown once and revoked; e-mails read and sent again."""

import pytest
from django.urls import reverse

from billing.models import Email
from billing.services.keys import create_key, find_key
from tests.kit.personas import NOW
from tests.kit.staff import change_page, finance_client, make_row_of_each_model, press

pytestmark = pytest.mark.django_db


def test_a_new_keys_secret_is_shown_once_and_works():
    client = finance_client()

    response = client.post(
        reverse("admin:billing_servicekey_add"),
        {"name": "Ingest", "scopes": ["usage:write", "usage:read"], "workspace": ""},
    )

    secret = response.context["secret"]
    assert secret in response.content.decode()
    assert "no-store" in response["Cache-Control"]
    key = find_key(secret=secret, now=NOW)
    assert key is not None
    assert key.scopes == ["usage:read", "usage:write"]
    assert secret not in change_page(client, "billing_servicekey", key.pk)


def test_a_revoked_key_stops_and_offers_no_second_revocation():
    client = finance_client()
    key, secret = create_key(name="Ingest", scopes=["usage:write"], now=NOW)

    press(client, "billing_servicekey", "revoke", key.pk)

    assert find_key(secret=secret, now=NOW) is None
    assert press(client, "billing_servicekey", "revoke", key.pk).status_code == 403


def test_a_failed_email_is_sent_again(django_capture_on_commit_callbacks):
    client = finance_client()
    make_row_of_each_model()
    email = Email.objects.get(subject="About Acme")
    Email.objects.filter(pk=email.pk).update(
        status="blocked", blocked_reason="exhausted", attempts=8, last_error="full"
    )

    with django_capture_on_commit_callbacks() as callbacks:
        press(client, "billing_email", "send_again", email.pk)

    email.refresh_from_db()
    assert (email.status, email.attempts, email.last_error) == ("waiting", 0, "")
    assert callbacks


def test_an_email_is_read_with_its_attachment_and_its_html_is_harmless():
    client = finance_client()
    make_row_of_each_model()
    email = Email.objects.get(subject="About Acme")

    text = change_page(client, "billing_email", email.pk)

    assert "Text of it" in text
    assert '<iframe sandbox=""' in text
    attachment = email.attachments.get()
    response = client.get(reverse("admin:billing_email_attachment", args=[attachment.pk]))
    assert b"".join(response.streaming_content) == b"%PDF-"
