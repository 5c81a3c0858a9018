"""A card that expires: known from Stripe, said on pages and to finance, mailed twice in time."""

import datetime as dt

import pytest
from django.urls import reverse

from analytics.finance.attention import attention_items
from analytics.finance.attention_rows import Moment
from billing.models import Email, User, Workspace, WorkspaceBillingSettings
from invoices.models import PaymentMethod
from invoices.payments.services.card_expiry import mail_expiring_cards
from invoices.payments.services.payment_methods import expiry_of
from tests.kit.invoices import known_card
from tests.kit.personas import make_member, make_workspace, signed_in_client

pytestmark = pytest.mark.django_db
LAST = dt.date(2026, 12, 31)


def at(day: int, month: int = 12, hour: int = 12) -> dt.datetime:
    return dt.datetime(2026, month, day, hour, tzinfo=dt.UTC)


@pytest.fixture
def acme() -> Workspace:
    where = make_workspace("Acme", billing_email="billing@acme.test")
    known_card(where)
    PaymentMethod.objects.update(expires_on=LAST)
    return where


def mails() -> list[str]:
    return list(
        Email.objects.filter(kind="card_expires")
        .order_by("requested_at")
        .values_list("key", flat=True)
    )


@pytest.mark.parametrize(
    ("method", "expiry"),
    [
        ({"card": {"exp_month": 2, "exp_year": 2028}}, dt.date(2028, 2, 29)),
        ({"card": {"exp_month": 12, "exp_year": 2026}}, LAST),
        ({"card": {"exp_month": 13, "exp_year": 2026}}, None),
        ({"card": {"exp_month": None, "exp_year": None}}, None),
        ({"type": "sepa_debit", "sepa_debit": {}}, None),
        ({"id": "card_of_old"}, None),
    ],
)
def test_a_card_is_good_to_the_last_day_of_its_month(method: dict, expiry: dt.date | None):
    assert expiry_of(method) == expiry


def test_two_mails_each_once_however_often_it_runs(acme: Workspace):
    # 1 December is 30 days before the 31st, 24 December is 7 days before.
    assert mail_expiring_cards(now=at(30, month=11)) == 0
    for day in (1, 1, 2, 23):
        mail_expiring_cards(now=at(day))
    assert [key.rsplit(":", 1)[1] for key in mails()] == ["30"]
    for day in (24, 24, 31):
        mail_expiring_cards(now=at(day))
    assert [key.rsplit(":", 1)[1] for key in mails()] == ["30", "7"]
    first = Email.objects.filter(kind="card_expires").earliest("requested_at")
    assert first.recipients == ["billing@acme.test", "owner@acme.test"]
    assert "Visa ending in 4242" in first.text
    assert "31 December 2026" in first.text
    assert mail_expiring_cards(now=at(15, month=12).replace(year=2027)) == 0


def test_its_day_is_the_workspaces(acme: Workspace):
    Workspace.objects.update(timezone="Pacific/Auckland")
    # The 1st has begun in Auckland.
    assert mail_expiring_cards(now=at(30, month=11, hour=12)) == 1


def test_after_a_long_weekend_only_the_later_one_is_sent(acme: Workspace):
    mail_expiring_cards(now=at(27))
    mail_expiring_cards(now=at(28))
    assert [key.rsplit(":", 1)[1] for key in mails()] == ["7"]


def test_a_renewed_card_is_another_matter(acme: Workspace):
    mail_expiring_cards(now=at(2))
    PaymentMethod.objects.update(expires_on=dt.date(2030, 12, 31))
    assert mail_expiring_cards(now=at(26)) == 0
    assert len(mails()) == 1


@pytest.mark.parametrize("because", ["pays by itself", "closed"])
def test_nobody_hears_of_a_card_that_is_not_charged(acme: Workspace, because: str):
    if because == "closed":
        Workspace.objects.update(status="closed")
    else:
        WorkspaceBillingSettings.objects.update(collection_method="send_invoice")
    assert mail_expiring_cards(now=at(26)) == 0
    assert not [each for each in attention_items(Moment.at(at(26))) if "card" in each.title]


def test_the_owner_is_written_to_in_their_language(acme: Workspace):
    User.objects.filter(email="owner@acme.test").update(language="de")
    mail_expiring_cards(now=at(2))
    german = Email.objects.get(kind="card_expires", recipients=["owner@acme.test"])
    assert german.subject == "Visa ending in 4242 läuft bald ab"
    assert "31. Dezember 2026" in german.text


def test_pages_and_finance_say_so_before_and_after(acme: Workspace, time_machine):
    owner = make_member(acme)
    bills, overview = (
        reverse(name, args=[acme.pk]) for name in ("invoices:list", "analytics:dashboard")
    )
    time_machine.move_to(at(20, month=11))
    assert "valid through 12/2026" in signed_in_client(owner).get(bills).content.decode()
    for page in (bills, overview):
        assert "expires on" not in signed_in_client(owner).get(page).content.decode()
    time_machine.move_to(at(20))
    for page in (bills, overview):
        assert "Visa ending in 4242 expires on 31 December 2026." in (
            signed_in_client(owner).get(page).content.decode()
        )
    said = [each for each in attention_items(Moment.at(at(20))) if "card" in each.title]
    assert [each.title for each in said] == ["card expires within 30 days, or has: that of Acme"]
    assert said[0].url == reverse("finance:customer", args=[acme.pk])
    time_machine.move_to(dt.datetime(2027, 1, 1, 12, tzinfo=dt.UTC))
    for page in (bills, overview):
        assert "Visa ending in 4242 expired on 31 December 2026." in (
            signed_in_client(owner).get(page).content.decode()
        )
