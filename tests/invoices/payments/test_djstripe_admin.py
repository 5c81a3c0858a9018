"""dj-stripe's copies in the admin: to be looked at, never a secret, never an action."""

import pytest
from django.contrib import admin
from django.core.cache import cache
from django.test import Client
from django.urls import NoReverseMatch, reverse
from djstripe.models import APIKey, Event, WebhookEndpoint, WebhookEventTrigger

from billing.models import User
from invoices.payments.admin.djstripe import SHOWN, without_secrets
from tests.kit.deliveries import SECRET, about, endpoint, event, post

pytestmark = pytest.mark.django_db

KEY = "sk_test_" + "a1B2c3D4" * 4


@pytest.fixture
def fiona(db: None) -> Client:
    """May see everything."""
    cache.clear()
    client = Client()
    client.force_login(
        User.objects.create_superuser("fiona@platform.test", "pass"),
        backend="billing.sign_in_backend.SignInBackend",
    )
    return client


def test_no_page_of_dj_stripes_own_admin_is_left() -> None:
    ours = {*SHOWN, WebhookEventTrigger}
    registered = {model for model in admin.site._registry if model._meta.app_label == "djstripe"}
    assert registered == ours
    modules = {type(admin.site._registry[model]).__module__ for model in ours}
    assert modules == {"invoices.payments.admin.djstripe"}


def test_api_keys_have_no_page(fiona: Client) -> None:
    APIKey.objects.create(secret=KEY, type="secret", livemode=False)
    with pytest.raises(NoReverseMatch):
        reverse("admin:djstripe_apikey_changelist")
    assert fiona.get("/admin/djstripe/apikey/").status_code == 404


def test_the_signing_secret_of_an_endpoint_is_not_shown(fiona: Client) -> None:
    here = endpoint()
    WebhookEndpoint.objects.filter(pk=here.pk).update(stripe_data={"secret": SECRET, "url": "x"})
    page = fiona.get(reverse("admin:djstripe_webhookendpoint_change", args=[here.pk]))
    assert page.status_code == 200
    assert SECRET not in page.content.decode()
    assert "(hidden)" in page.content.decode()


def test_an_event_and_its_delivery_show_their_content_without_secrets(fiona: Client) -> None:
    here = endpoint()
    intent = {"id": "pi_1", "object": "payment_intent", "client_secret": "pi_1_secret_xyz"}
    post(here.djstripe_uuid, event("payment_intent.succeeded", intent))
    pages = [
        reverse("admin:djstripe_event_change", args=[Event.objects.get().pk]),
        reverse(
            "admin:djstripe_webhookeventtrigger_change",
            args=[WebhookEventTrigger.objects.get().pk],
        ),
    ]
    for address in pages:
        shown = fiona.get(address).content.decode()
        assert "payment_intent.succeeded" in shown
        assert "pi_1_secret_xyz" not in shown


@pytest.mark.parametrize("model", [*SHOWN, WebhookEventTrigger])
def test_every_list_can_be_opened_and_nothing_be_changed(fiona: Client, model: type) -> None:
    name = model._meta.model_name  # type: ignore[attr-defined]
    assert fiona.get(reverse(f"admin:djstripe_{name}_changelist")).status_code == 200
    assert fiona.get(reverse(f"admin:djstripe_{name}_add")).status_code == 403


def test_nothing_can_be_deleted_or_acted_upon(fiona: Client) -> None:
    here = endpoint()
    post(here.djstripe_uuid, about("invoice.paid"))
    stored = Event.objects.get()
    gone = fiona.post(reverse("admin:djstripe_event_delete", args=[stored.pk]), {"post": "yes"})
    assert gone.status_code == 403
    fiona.post(
        reverse("admin:djstripe_event_changelist"),
        {"action": "delete_selected", "_selected_action": [stored.pk], "post": "yes"},
    )
    assert Event.objects.filter(pk=stored.pk).exists()


def test_staff_without_permission_see_nothing(db: None) -> None:
    client = Client()
    client.force_login(
        User.objects.create_user("stan@platform.test", is_staff=True),
        backend="billing.sign_in_backend.SignInBackend",
    )
    assert client.get(reverse("admin:djstripe_event_changelist")).status_code == 403


def test_secrets_are_hidden_at_any_depth() -> None:
    assert without_secrets(
        {"a": [{"client_secret": "x", "id": "pi_1"}], "secret": None, "api_key": "y"}
    ) == {"a": [{"client_secret": "(hidden)", "id": "pi_1"}], "secret": None, "api_key": "(hidden)"}
