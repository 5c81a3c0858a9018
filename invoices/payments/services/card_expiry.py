"""Owners hear that their card expires before a payment fails for it: 30 and 7 days before."""

import datetime as dt

from django.db import transaction
from django.utils.translation import gettext as _

from billing.formats import long_date
from billing.links import page_url
from billing.services.notifications import Notification
from invoices.models import PaymentMethod
from invoices.payments.services.payer_mails import mail_to_payer_of
from invoices.queries import expiring_cards

DAYS_BEFORE = (30, 7)


def mail_expiring_cards(*, now: dt.datetime) -> int:
    """Write to whoever has not been written to about a card that expires soon; how many were.

    The key of each mail names the card, its last day and which of the two it is: run again, or by
    two at once, it is sent once. Who was missed for days gets the later one alone.
    """
    told = 0
    for card in expiring_cards(within=DAYS_BEFORE[0] + 1, now=now).select_related("workspace"):
        told += _tell(card, now=now)
    return told


def _tell(card: PaymentMethod, *, now: dt.datetime) -> bool:
    workspace, last = card.workspace, card.expires_on
    today = now.astimezone(workspace.zone).date()
    assert last is not None
    due = [days for days in DAYS_BEFORE if (last - today).days <= days]
    if not due or last < today:
        return False

    def said() -> Notification:
        return Notification(
            subject=_("{card} expires soon").format(card=card.label),
            paragraphs=[
                _(
                    "{card}, which the invoices of {workspace} are charged to, expires on {day}."
                ).format(card=card.label, workspace=workspace.name, day=long_date(last)),
                _("Add another one before then, so that no payment fails."),
            ],
            link_label=_("See the payment method"),
            link_url=page_url("invoices:list", workspace.pk),
        )

    with transaction.atomic():
        return mail_to_payer_of(
            workspace, said, key=_key(card, min(due)), kind="card_expires", now=now
        )


def _key(card: PaymentMethod, days: int) -> str:
    return f"card-expires:{card.stripe_id[:100]}:{card.expires_on}:{days}"
