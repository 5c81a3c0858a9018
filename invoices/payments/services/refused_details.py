"""E-mails about billing details that Stripe refuses: to finance, and to the owners."""

import datetime as dt

from django.utils.translation import gettext as _

from billing.links import page_url
from billing.services.emails import owner_addresses
from billing.services.notifications import Notification, mail_notification, notify_finance
from invoices.payments.models import StripeCustomer


def tell_finance_of_refused_details(row: StripeCustomer, *, now: dt.datetime) -> None:
    """Once for each change of the details that Stripe refuses."""
    workspace = row.workspace
    notify_finance(
        key=_refusal(row),
        subject=f"Stripe refuses the billing details of {workspace.name}",
        paragraphs=[
            row.last_error,
            "Its invoices go on with what Stripe had before. The details are sent again when"
            " someone changes them, or by “Try again” under Waiting work.",
        ],
        about=workspace,
        now=now,
    )


def tell_owners_of_refused_details(row: StripeCustomer, *, now: dt.datetime) -> None:
    workspace = row.workspace

    def said() -> Notification:
        return Notification(
            subject=_("Your billing details were not accepted"),
            paragraphs=[
                _("The payment provider refuses the billing details of {workspace}:").format(
                    workspace=workspace.name
                ),
                row.last_error,
                _("Please check the tax number, the country and the address."),
            ],
            link_label=_("Check the billing details"),
            link_url=page_url("billing:settings", workspace.pk),
        )

    mail_notification(
        workspace,
        owner_addresses(workspace.pk),
        said,
        key=_refusal(row),
        kind="details_refused",
        now=now,
    )


def _refusal(row: StripeCustomer) -> str:
    return f"details-refused:{row.pk}:{row.requested_at.isoformat()}"
