"""The pages a payer sees: a hosted invoice, checkout in setup mode, the billing portal."""

import datetime
import re
from collections.abc import Callable
from urllib.parse import parse_qs

from dev.stripe_sandbox import html
from dev.stripe_sandbox.accounts import Accounts
from dev.stripe_sandbox.api import Api, Request, Response
from dev.stripe_sandbox.context import Context
from dev.stripe_sandbox.errors import ApiError
from dev.stripe_sandbox.money import formatted
from dev.stripe_sandbox.pdf import text_pdf
from dev.stripe_sandbox.resources.billing_portal import change_default_card, return_url_of
from dev.stripe_sandbox.resources.checkout import complete_session
from dev.stripe_sandbox.resources.collection import charge_invoice, method_to_charge
from dev.stripe_sandbox.resources.payment_methods import belonging_to, card_of
from dev.stripe_sandbox.store import Object

_HTML = "text/html; charset=utf-8"


def handle(accounts: Accounts, request: Request) -> Response:
    for pattern, show, act in _PAGES:
        found = re.fullmatch(pattern, request.path)
        if found is None:
            continue
        api = accounts.holding(found.group(1))
        if request.method == "POST" and act is not None:
            return _acted(api, request, found.group(1), show, act)
        with api.store.transaction():
            return _shown(_context(api), show, found.group(1), "")
    return _not_found()


def _acted(api: Api, request: Request, identifier: str, show: "_Show", act: "_Act") -> Response:
    """Do what was chosen; a decline or refusal shows the page again, with the reason."""
    card = parse_qs(request.body).get("card", [""])[0]
    with api.store.transaction():
        ctx = _context(api)
        try:
            location = act(ctx, identifier, card)
            response = Response(status=303, headers={"Location": location})
        except ApiError as error:
            response = _shown(ctx, show, identifier, str(error))
    if ctx.deliveries_queued:
        api.deliveries.wake()
    return response


def _shown(ctx: Context, show: "_Show", identifier: str, problem: str) -> Response:
    try:
        return show(ctx, identifier, problem)
    except ApiError:
        return _not_found()


def _invoice(ctx: Context, identifier: str, problem: str) -> Response:
    invoice = ctx.get("invoice", identifier)
    currency = invoice["currency"]
    rows = [
        (line["description"] or "", formatted(line["amount"], currency))
        for line in ctx.store.oldest_first("line_item", lookup=identifier)
    ]
    for label, amount in (
        ("Balance brought forward", invoice["starting_balance"]),
        ("Credit notes", -invoice["pre_payment_credit_notes_amount"]),
    ):
        if amount:
            rows.append((label, formatted(amount, currency)))
    head = html.section(
        html.paragraph(f"Invoice {invoice['number'] or '(draft)'}", "soft"),
        f"<h1>{formatted(invoice['amount_due'], currency)}</h1>",
        f'<p><span class="state">{_STATES[invoice["status"]]}</span></p>',
        html.paragraph(f"For {invoice['customer_name'] or invoice['customer_email'] or ''}"),
        html.paragraph(_dates(invoice), "soft"),
    )
    due = ("Amount due", formatted(invoice["amount_due"], currency))
    sections = [head, html.section(html.table(rows, total=due), heading="Summary")]
    if problem:
        sections.append(html.section(html.paragraph(problem), kind="problem"))
    if invoice["status"] in ("open", "uncollectible"):
        button = f"Pay {formatted(invoice['amount_remaining'], currency)}"
        form = html.card_form(button, saved=_saved_card(ctx, invoice))
        sections.append(html.section(form, heading="Pay this invoice"))
    sections.append(html.link(f"/pages/invoices/{identifier}/pdf", "Download PDF"))
    return Response(body=html.frame("Invoice", *sections), content_type=_HTML)


def _pay_invoice(ctx: Context, identifier: str, card: str) -> str:
    invoice = ctx.get("invoice", identifier)
    if invoice["status"] in ("open", "uncollectible"):
        method = belonging_to(ctx, card, invoice["customer"], param="payment_method")
        charge_invoice(ctx, invoice, method)
    return f"/pages/invoices/{identifier}"


def _invoice_pdf(ctx: Context, identifier: str, problem: str) -> Response:
    invoice = ctx.get("invoice", identifier)
    currency = invoice["currency"]
    lines = [
        f"Invoice {invoice['number'] or '(draft)'}   {_STATES[invoice['status']]}",
        f"For {invoice['customer_name'] or invoice['customer_email'] or ''}",
        _dates(invoice),
        "",
        *(
            f"{line['description'] or ''}   {formatted(line['amount'], currency)}"
            for line in ctx.store.oldest_first("line_item", lookup=identifier)
        ),
        "",
        f"Total   {formatted(invoice['total'], currency)}",
        f"Amount due   {formatted(invoice['amount_due'], currency)}",
        "",
        "Stripe sandbox: no real money moves here.",
    ]
    return Response(body=text_pdf(lines), content_type="application/pdf")


def _checkout(ctx: Context, identifier: str, problem: str) -> Response:
    session = ctx.get("checkout.session", identifier)
    if session["status"] != "open" or session["expires_at"] <= ctx.now:
        gone = html.section(html.paragraph("This session is complete or has expired."))
        return Response(body=html.frame("Save a card", gone), content_type=_HTML)
    sections = [html.section("<h1>Save a card</h1>", html.card_form("Save card"))]
    if problem:
        sections.insert(0, html.section(html.paragraph(problem), kind="problem"))
    if session["cancel_url"]:
        sections.append(html.link(session["cancel_url"], "Go back without saving"))
    return Response(body=html.frame("Save a card", *sections), content_type=_HTML)


def _save_card(ctx: Context, identifier: str, card: str) -> str:
    session = complete_session(ctx, ctx.get("checkout.session", identifier), card)
    return str(session["success_url"]).replace("{CHECKOUT_SESSION_ID}", identifier)


def _portal(ctx: Context, identifier: str, problem: str) -> Response:
    session = ctx.get("billing_portal.session", identifier)
    customer = ctx.get("customer", session["customer"])
    sections = [
        html.section(
            "<h1>Billing</h1>",
            html.paragraph(customer["name"] or customer["email"] or customer["id"]),
            html.paragraph(_default_card(ctx, customer), "soft"),
        )
    ]
    if problem:
        sections.append(html.section(html.paragraph(problem), kind="problem"))
    form = html.card_form("Use this card from now on")
    sections.append(html.section(form, heading="Change the card"))
    invoices = [
        html.link(
            invoice["hosted_invoice_url"],
            f"{invoice['number']}: {formatted(invoice['amount_due'], invoice['currency'])}, "
            f"{_STATES[invoice['status']].lower()}",
        )
        for invoice in ctx.store.newest_first("invoice", customer=customer["id"])
        if invoice["status"] != "draft"
    ]
    if invoices:
        sections.append(html.section(*invoices, heading="Invoices"))
    back = return_url_of(session)
    if back:
        sections.append(html.link(back, "Go back"))
    return Response(body=html.frame("Billing", *sections), content_type=_HTML)


def _change_card(ctx: Context, identifier: str, card: str) -> str:
    session = ctx.get("billing_portal.session", identifier)
    change_default_card(ctx, session, card)
    return return_url_of(session) or f"/pages/portal/{identifier}"


def _receipt(ctx: Context, identifier: str, problem: str) -> Response:
    charge = ctx.get("charge", identifier)
    body = html.section(
        f"<h1>{formatted(charge['amount'], charge['currency'])}</h1>",
        html.paragraph(charge["description"] or "Payment"),
        html.paragraph(f"{_day(charge['created'])}, {charge['status']}", "soft"),
    )
    return Response(body=html.frame("Receipt", body), content_type=_HTML)


def _saved_card(ctx: Context, invoice: Object) -> tuple[str, str] | None:
    method = method_to_charge(ctx, invoice)
    return (method["id"], f"{card_of(method).label} (on file)") if method else None


def _default_card(ctx: Context, customer: Object) -> str:
    method = ctx.store.find(customer["invoice_settings"]["default_payment_method"] or "")
    return f"Charged automatically: {card_of(method).label}" if method else "No card on file"


def _dates(invoice: Object) -> str:
    finalized = invoice["status_transitions"]["finalized_at"]
    text = f"Issued {_day(finalized or invoice['created'])}"
    return f"{text}, due {_day(invoice['due_date'])}" if invoice["due_date"] else text


def _day(timestamp: int) -> str:
    day = datetime.datetime.fromtimestamp(timestamp, tz=datetime.UTC)
    return f"{day.day} {day:%B %Y}"


def _not_found() -> Response:
    body = html.section("<h1>Not found</h1>", html.paragraph("There is nothing here (any more)."))
    return Response(status=404, body=html.frame("Not found", body), content_type=_HTML)


def _context(api: Api) -> Context:
    return Context(store=api.store, now=api.store.now(), base_url=api.base_url)


_STATES = {
    "draft": "Draft",
    "open": "Open",
    "paid": "Paid",
    "uncollectible": "Uncollectible",
    "void": "Void",
}

_Show = Callable[[Context, str, str], Response]
_Act = Callable[[Context, str, str], str]

_PAGES: tuple[tuple[str, _Show, _Act | None], ...] = (
    (r"/pages/invoices/(\w+)", _invoice, _pay_invoice),
    (r"/pages/invoices/(\w+)/pdf", _invoice_pdf, None),
    (r"/pages/checkout/(\w+)", _checkout, _save_card),
    (r"/pages/portal/(\w+)", _portal, _change_card),
    (r"/pages/receipts/(\w+)", _receipt, None),
)
