"""Webhooks of budgets: signed, sent until they are taken, never into a private network."""

import base64
import hashlib
import hmac
import json
import socket
from decimal import Decimal

import pytest
import time_machine

from billing import webhooks
from billing.models import AuditEntry
from tests.kit.api import ApiClient
from tests.kit.personas import NOW, make_workspace, member_client
from tests.kit.usage import make_usage
from usage.models import Budget, BudgetDelivery, BudgetTest
from usage.services import budget_notifications, budget_tests
from usage.services.budget_tests import MAX_TESTS

pytestmark = pytest.mark.django_db
HOOK = "https://hooks.example.com/budgets?token=s3cret"
FACTS = {
    "name": "All",
    "scope": "workspace",
    "period": "month",
    "amount": "10",
    "levels": [{"percentage": "100"}],
    "webhook": {"kind": "generic", "url": HOOK},
}


@pytest.fixture
def acme():
    workspace = make_workspace("Acme")
    make_usage(workspace, NOW, "10", "1")
    return workspace


@pytest.fixture
def sent(monkeypatch):
    """What would have been posted; `sent.answers` are raised in turn."""

    class Sent(list):
        answers: list[Exception] = []

    found = Sent()

    def post(url, body, headers):
        if found.answers:
            raise found.answers.pop(0)
        found.append((url, body, headers))

    monkeypatch.setattr(budget_notifications, "post", post)
    return found


@pytest.fixture
def made(acme):
    with time_machine.travel(NOW, tick=False):
        answer = ApiClient().post(f"workspaces/{acme.pk}/budgets/", FACTS)
    assert answer.status_code == 201, answer.content
    return answer.json()


def test_the_secret_is_shown_once_and_signs_what_is_sent(acme, made, sent):
    secret = made["webhook_secret"]
    delivery = BudgetDelivery.objects.get()
    assert budget_notifications.deliver(event_id=delivery.pk, now=NOW)

    (url, body, headers) = sent[0]
    assert url == HOOK
    key = base64.b64decode(secret.removeprefix("whsec_"))
    signed = f"{headers['Webhook-Id']}.{headers['Webhook-Timestamp']}.".encode() + body
    wanted = base64.b64encode(hmac.digest(key, signed, hashlib.sha256)).decode()
    assert headers["Webhook-Signature"] == f"v1,{wanted}"
    data = json.loads(body)["data"]
    assert (data["spend"], data["amount"], data["percentage"]) == ("12.0000000000", "10", "100")
    assert not budget_notifications.deliver(event_id=delivery.pk, now=NOW), "it is done"

    shown = ApiClient().get(f"workspaces/{acme.pk}/budgets/{made['id']}/").content.decode()
    assert "hooks.example.com" in shown
    pages = member_client(acme)
    shown += pages.get(f"/w/{acme.pk}/budgets/").content.decode()
    shown += pages.get(f"/w/{acme.pk}/budgets/{made['id']}/").content.decode()
    shown += str(list(AuditEntry.objects.values_list("changes", flat=True)))
    assert secret not in shown
    assert "s3cret" not in shown


def test_what_fails_is_tried_again_and_ends_when_it_is_refused(made, sent):
    sent.answers = [
        webhooks.NotDelivered("It answers 503."),
        webhooks.DeliveryRejected("It answers 404."),
    ]
    delivery = BudgetDelivery.objects.get()
    assert not budget_notifications.deliver(event_id=delivery.pk, now=NOW)
    delivery.refresh_from_db()
    assert (delivery.status, delivery.last_error) == ("waiting", "It answers 503.")
    assert not budget_notifications.deliver(event_id=delivery.pk, now=delivery.next_attempt_at)
    delivery.refresh_from_db()
    assert (delivery.status, delivery.last_error) == ("failed", "It answers 404.")


def test_slack_gets_text_without_its_marks(acme, sent):
    acme.name = "A & <B>"
    acme.save()
    with time_machine.travel(NOW, tick=False):
        made = ApiClient().post(
            f"workspaces/{acme.pk}/budgets/", {**FACTS, "webhook": {"kind": "slack", "url": HOOK}}
        )
    assert "webhook_secret" not in made.json()
    budget_notifications.deliver(event_id=BudgetDelivery.objects.get().pk, now=NOW)
    assert "*A &amp; &lt;B&gt;: the budget “All” is used up*" in json.loads(sent[0][1])["text"]


def test_changing_it_keeps_the_address_and_another_secret_is_asked_for(acme, made):
    path = f"workspaces/{acme.pk}/budgets/{made['id']}/"
    caller = ApiClient()
    kept = caller.patch(path, {"amount": "20", "webhook": {"kind": "generic"}})
    assert kept.status_code == 200
    assert "webhook_secret" not in kept.json()
    assert Budget.objects.get().webhook_url == HOOK
    for body, pointer in (
        ({"levels": [{"pause": True}]}, "/levels/0/percentage"),
        ({"webhook": {"url": HOOK}}, "/webhook/kind"),
        ({"amount": "0"}, "/amount"),
        ({"state": {}}, "/state"),
    ):
        refused = caller.patch(path, body)
        assert (refused.status_code, refused.json()["errors"][0]["pointer"]) == (400, pointer)
    new = caller.patch(path, {"new_secret": True}).json()["webhook_secret"]
    assert new not in ("", made["webhook_secret"])
    assert caller.patch(path, {"webhook": None}).json()["webhook"] is None


@pytest.mark.parametrize(
    "address", ["10.0.0.8", "127.0.0.1", "169.254.169.254", "::1", "fd00::1", "::ffff:10.0.0.1"]
)
def test_a_name_that_leads_into_a_private_network_is_not_connected_to(monkeypatch, address):
    family = socket.AF_INET6 if ":" in address else socket.AF_INET
    answers = [(family, socket.SOCK_STREAM, 6, "", (ip, 443)) for ip in ("93.184.215.14", address)]
    monkeypatch.setattr(webhooks.socket, "getaddrinfo", lambda *args, **kwargs: answers)
    monkeypatch.setattr(
        webhooks.socket, "create_connection", lambda *args: pytest.fail("it was connected to")
    )
    with pytest.raises(webhooks.UnfitAddress, match="private_address"):
        webhooks.post("https://hooks.example.com/", b"{}", {})


@pytest.mark.parametrize(
    ("url", "code"),
    [
        ("https://0x7f.1/", "invalid_url"),
        ("https://2130706433/", "invalid_url"),
        ("https://127.1/", "invalid_url"),
        ("https://localhost/", "private_address"),
        ("https://db.internal/", "private_address"),
        ("https://[fe80::1]/", "private_address"),
        ("https://[64:ff9b::7f00:1]/", "private_address"),
        ("https://[64:ff9b:1::7f00:1]/", "private_address"),
        ("https://[::127.0.0.1]/", "private_address"),
        ("https://[::ffff:0:127.0.0.1]/", "private_address"),
        ("https://[3fff::1]/", "private_address"),
        ("https://192.0.0.8/", "private_address"),
        ("ftp://hooks.example.com/", "https_only"),
        ("https://hooks.example.com:99999/", "invalid_url"),
        ("https://hooks.example.com\\@10.0.0.1/", "invalid_url"),
        ("https:///nowhere", "invalid_url"),
        ("https://hooks.example.com/\r\nX: y", "invalid_url"),
    ],
)
def test_addresses_that_are_not_written_to(url, code):
    with pytest.raises(webhooks.UnfitAddress) as unfit:
        webhooks.check_address(url)
    assert unfit.value.code == code


def test_owners_make_change_and_remove_one_by_its_page(acme):
    pages = member_client(acme)
    new = f"/w/{acme.pk}/budgets/new/"
    refused = pages.post(
        new,
        {
            "name": "",
            "counts": "workspace",
            "period": "month",
            "amount": "x",
            "percentage_0": "80",
            "percentage_1": "8y",
            "emails": "nobody",
        },
    )
    assert refused.status_code == 422
    assert set(refused.context["form"].errors) == {"name", "amount", "percentage_1", "emails"}

    form = {
        "name": "Voices",
        "counts": "type:synthesis",
        "period": "week",
        "amount": "25.50",
        "percentage_0": "80",
        "action_0": "notify",
        "percentage_3": "100",
        "action_3": "both",
        "emails": "cfo@acme.example, ops@acme.example",
    }
    assert pages.post(new, form).status_code == 302
    budget = Budget.objects.get()
    assert [(each.percentage, each.pauses) for each in budget.levels.all()] == [
        (Decimal(80), False),
        (Decimal(100), True),
    ]
    page = f"/w/{acme.pk}/budgets/{budget.pk}/"
    shown = pages.get(page).context["form"]
    assert (shown["counts"].value(), shown["amount"].value()) == ("type:synthesis", "25.5")
    # Twice the same percentage: said at its row.
    twice = pages.post(page, {**form, "percentage_3": "80"})
    assert list(twice.context["form"].errors) == ["percentage_3"]
    saved = pages.post(page, {**form, "webhook_kind": "generic", "webhook_url": HOOK})
    assert Budget.objects.get().webhook_secret in saved.content.decode()
    overview = pages.get(f"/w/{acme.pk}/").content.decode()
    assert "Voices" in overview
    assert pages.post(f"{page}remove/").status_code == 302
    assert not Budget.objects.exists()


def test_an_owner_sends_a_test_and_sees_how_it_went(acme, made, sent, monkeypatch):
    monkeypatch.setattr(budget_tests, "post", budget_notifications.post)
    pages = member_client(acme)
    path = f"/w/{acme.pk}/budgets/{made['id']}/test/"
    sent.answers = [webhooks.DeliveryRejected("It answers 404.")]

    assert "It answers 404." in pages.post(path, follow=True).content.decode()
    shown = pages.post(path, follow=True).content.decode()
    assert "hooks.example.com took it" in shown
    assert "s3cret" not in shown

    (url, body, headers) = sent[0]
    last, first = BudgetTest.objects.all()
    assert (url, json.loads(body)["type"]) == (HOOK, "budget.test")
    assert headers["Webhook-Id"] == f"test-{last.pk}"
    stamp = headers["Webhook-Timestamp"]
    secret = made["webhook_secret"]
    wanted = budget_notifications.signature(secret, headers["Webhook-Id"], stamp, body)
    assert headers["Webhook-Signature"] == wanted
    owner = acme.memberships.get().user.email
    assert (first.is_delivered, first.error, last.is_delivered) == (False, "It answers 404.", True)
    assert (last.asked_by, last.host) == (owner, "hooks.example.com")
    assert BudgetDelivery.objects.get().status == "waiting", "what it tells goes its own way"

    for _ in range(MAX_TESTS - 2):
        pages.post(path)
    assert "At most 5 tests in 10 minutes" in pages.post(path, follow=True).content.decode()
    assert (len(sent), BudgetTest.objects.count()) == (MAX_TESTS - 1, MAX_TESTS)
