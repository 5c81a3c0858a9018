"""Rows of the lists of invoices on owners' pages, made in Python (ADR 51)."""

from collections.abc import Iterable
from functools import cache
from html import escape
from uuid import UUID

from django.urls import reverse
from django.utils import timezone
from django.utils.safestring import SafeString, mark_safe
from django.utils.translation import gettext as _

from billing.formats import money, short_day
from billing.templatetags.formats import badge, icon
from invoices.models import Invoice

_ANY = UUID(int=0)


def invoice_rows(invoices: Iterable[Invoice], workspace_id: UUID) -> SafeString:
    """Rows of `invoices/table.html`."""
    zone = timezone.get_current_timezone()
    page, pdf = (
        reverse(name, args=[workspace_id, _ANY]) for name in ("invoices:detail", "invoices:pdf")
    )
    period, status, issued, due, amount = map(
        escape, (_("Period"), _("Status"), _("Issued"), _("Due"), _("Amount"))
    )
    pdf_of, download, badge_once = _("PDF of %(invoice)s"), icon("download"), cache(badge)
    rows = []
    for invoice in invoices:
        key, number = str(invoice.pk), escape(invoice.number)
        issued_on = short_day(invoice.issued_at.astimezone(zone)) if invoice.issued_at else ""
        due_on = short_day(invoice.due_date) if invoice.due_date else ""
        rows.append(f"""    <tr>
      <th scope="row"><a href="{page.replace(str(_ANY), key)}">{number}</a></th>
      <td data-label="{period}">{escape(invoice.label)}</td>
      <td data-label="{status}">{badge_once(invoice.status, invoice.get_status_display())}</td>
      <td data-label="{issued}" class="nowrap">{escape(issued_on)}</td>
      <td data-label="{due}" class="nowrap">{escape(due_on)}</td>
      <td data-label="{amount}" class="num">{escape(money(invoice.amount, invoice.currency))}</td>
      <td class="num"><a href="{pdf.replace(str(_ANY), key)}" download\
 aria-label="{escape(pdf_of % {"invoice": invoice.number})}">{download} PDF</a></td>
    </tr>""")
    return mark_safe("\n".join(rows))  # noqa: S308 - each text in it is escaped
