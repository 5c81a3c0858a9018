"""E-mails to those who pay: the billing address and the owners, to each in their language."""

import datetime as dt
from collections.abc import Callable, Sequence

from django.utils.translation import gettext as _

from billing.issuers import issuer_then
from billing.links import page_url
from billing.models import Workspace
from billing.services.emails import Attachment, owner_addresses
from billing.services.notifications import Notification, mail_notification
from invoices.models import Invoice


def mail_to_payer(
    invoice: Invoice,
    about: str,
    said: Callable[[], Notification],
    *,
    now: dt.datetime,
    attachments: Sequence[Attachment] = (),
) -> bool:
    """Whether it was queued now: the same message about an invoice is sent once."""
    return mail_notification(
        invoice.workspace,
        _without_repeats([invoice.bill_to_email, *owner_addresses(invoice.workspace_id)]),
        said,
        key=f"invoice:{invoice.pk}:{about}",
        kind=f"invoice_{about.split(':', maxsplit=1)[0]}",
        issuer=issuer_then(invoice.letterhead).name,
        attachments=attachments,
        now=now,
    )


def mail_to_payer_of(
    workspace: Workspace,
    said: Callable[[], Notification],
    *,
    key: str,
    kind: str,
    now: dt.datetime,
) -> bool:
    """What is not about one invoice, to the billing address and the owners; once for each key."""
    addresses = _without_repeats([workspace.billing_email, *owner_addresses(workspace.pk)])
    return mail_notification(workspace, addresses, said, key=key, kind=kind, now=now)


def invoice_link(invoice: Invoice) -> dict[str, str]:
    page = page_url("invoices:detail", invoice.workspace_id, invoice.pk)
    return {"link_label": _("See the invoice"), "link_url": page}


def _without_repeats(addresses: Sequence[str]) -> list[str]:
    unique = {address.lower(): address for address in reversed(addresses)}
    return [unique[key] for key in dict.fromkeys(address.lower() for address in addresses)]
