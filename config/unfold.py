"""The look and the navigation of the admin."""

from collections.abc import Container
from functools import lru_cache
from typing import Any, NamedTuple

from django.http import HttpRequest
from django.templatetags.static import static
from django.urls import get_script_prefix, reverse, reverse_lazy


class _Item(NamedTuple):
    title: str
    icon: str
    view: str
    # Whoever has it sees the link.
    permission: str = ""


def _list(title: str, icon: str, model: str) -> _Item:
    """A link to a model's list ("app_model") for those who may see it."""
    app, name = model.split("_", 1)
    return _Item(title, icon, f"admin:{model}_changelist", f"{app}.view_{name}")


@lru_cache(maxsize=256)
def _address(view: str, prefix: str) -> str:
    return reverse(view)


def _held(request: HttpRequest) -> Container[str]:
    """The rights of whoever asks, read once instead of link by link."""
    user: Any = request.user
    return _Everything() if user.is_superuser else user.get_all_permissions()


class _Everything:
    def __contains__(self, right: object) -> bool:
        return True


def _shown(request: HttpRequest) -> list[tuple[dict[str, Any], list[tuple[_Item, str, bool]]]]:
    """Each group with the links that this person may see: where they lead, and whether to here."""
    prefix, held, path = get_script_prefix(), _held(request), request.path
    index = _address("admin:index", prefix)
    groups = []
    for group in _GROUPS:
        items = []
        for item in group["items"]:
            if item.permission and item.permission not in held:
                continue
            link = _address(item.view, prefix)
            items.append((item, link, path == index if link == index else link in path))
        groups.append((group, items))
    return groups


def navigation(request: HttpRequest) -> list[dict[str, Any]]:
    """Only what this person may see, and all that Unfold's templates ask of it.

    They look long for what is not there, and Unfold for addresses and rights.
    """
    return [
        {
            "collapsible": False,
            "badge": None,
            **group,
            "items": [
                {
                    "title": item.title,
                    "icon": item.icon,
                    "link": link,
                    "active": active,
                    "badge": None,
                    "link_callback": None,
                }
                for item, link, active in items
            ],
        }
        for group, items in _shown(request)
    ]


def navigation_key(request: HttpRequest) -> str:
    """The same for all pages and people whose navigation is the same, so that it is made once."""
    return " ".join(
        f"{link}{'*' if active else ''}"
        for _, items in _shown(request)
        for _, link, active in items
    )


_GROUPS: list[dict[str, Any]] = [
    {
        "items": [
            _Item("Finance", "monitoring", "admin:index"),
            _Item(
                "Month end", "event_available", "finance:month_end", "billing.view_billingperiod"
            ),
            _Item("Reports", "table_chart", "finance:reports", "usage.view_usagerollup"),
            _Item("Trial close", "fact_check", "finance:trial", "billing.view_billingperiod"),
            _Item("Waiting work", "pending_actions", "finance:waiting_work", "billing.view_email"),
            _Item("Proof", "verified", "finance:proof", "usage.view_usagerollup"),
            _Item("Costs and margins", "trending_down", "finance:costs", "usage.view_usagerollup"),
            _Item("What if", "compare", "finance:what_if", "usage.view_usagerollup"),
        ],
    },
    {
        "title": "Billing",
        "separator": True,
        "items": [
            _list("Invoices", "receipt_long", "invoices_invoice"),
            _list("Credit notes", "undo", "invoices_creditnote"),
            _list("E-invoices", "data_object", "invoices_einvoice"),
            _list("Chargebacks", "gavel", "payments_chargeback"),
            _list("Disputes of calls", "voice_chat", "payments_calldispute"),
            _list("Lines by hand", "edit_note", "billing_manualitem"),
            _list("Billing periods", "calendar_month", "billing_billingperiod"),
            _list("Reconciliation", "compare_arrows", "payments_reconciliationrun"),
            _list("Differences", "rule", "payments_difference"),
            _list("Limit alerts", "notification_important", "billing_limitalert"),
            _list("Budgets", "savings", "usage_budget"),
            _list("Budget levels reached", "data_alert", "usage_budgetevent"),
            _list("E-mails", "mail", "billing_email"),
        ],
    },
    {
        "title": "Customers",
        "separator": True,
        "items": [
            _list("Workspaces", "domain", "billing_workspace"),
            _list("Voice agents", "support_agent", "usage_voiceagent"),
            _list("Calls", "call", "usage_call"),
            _list("Usage records", "list_alt", "usage_usagerecord"),
            _list("Usage by day", "bar_chart", "usage_usagerollup"),
            _list("Calls by day", "schedule", "usage_callrollup"),
        ],
    },
    {
        "title": "Prices",
        "separator": True,
        "items": [
            _list("Rate cards", "price_change", "billing_ratecard"),
            _list("Overrides", "handshake", "billing_priceoverride"),
            _list("Provider costs", "shopping_cart", "billing_providercost"),
            _list("Exchange rates", "currency_exchange", "billing_exchangerate"),
            _list("Coupons", "local_offer", "billing_coupon"),
            _list("Tiers", "sell", "billing_subscriptiontier"),
            _list("Platform settings", "tune", "billing_platformsetting"),
            _list("Issuing entities", "apartment", "billing_issuingentity"),
        ],
    },
    {
        "title": "Tax",
        "separator": True,
        "items": [
            _list("Registrations", "account_balance", "billing_taxregistration"),
            _list("Rates", "percent", "billing_taxrate"),
            _list("Customers' numbers", "verified", "billing_taxnumbercheck"),
            _list("Asked of Stripe Tax", "calculate", "invoices_taxcalculation"),
        ],
    },
    {
        "title": "Stripe's copies",
        "separator": True,
        "collapsible": True,
        "items": [
            _list("Customers", "badge", "djstripe_customer"),
            _list("Invoices", "receipt", "djstripe_invoice"),
            _list("Payments", "credit_card", "djstripe_paymentintent"),
            _list("Refunds", "undo", "djstripe_refund"),
            _list("Disputes", "gavel", "djstripe_dispute"),
            _list("Subscriptions", "autorenew", "djstripe_subscription"),
            _list("Events", "bolt", "djstripe_event"),
            _list("Webhook endpoints", "webhook", "djstripe_webhookendpoint"),
            _list("Webhook deliveries", "inbox", "djstripe_webhookeventtrigger"),
        ],
    },
    {
        "title": "Access",
        "separator": True,
        "collapsible": True,
        "items": [
            _list("Users", "person", "billing_user"),
            _list("Groups", "group", "auth_group"),
            _list("Service keys", "key", "billing_servicekey"),
            _list("Log of changes", "history", "billing_auditentry"),
            _list("Actions in the admin", "edit_note", "admin_logentry"),
        ],
    },
]


def environment(request: HttpRequest) -> list[str] | None:
    """What the data is worth, beside the title: test money must not look like real money."""
    from django.conf import settings  # noqa: PLC0415 - settings import this module

    if settings.DEBUG:
        return ["Development", "danger"]
    return None if settings.STRIPE_LIVE_MODE else ["Test mode", "warning"]


UNFOLD: dict[str, Any] = {
    "SITE_TITLE": "Billing",
    "SITE_HEADER": "Billing",
    "SITE_SUBHEADER": "Finance",
    "SITE_SYMBOL": "payments",
    "SITE_URL": "/",
    "SITE_FAVICONS": [
        {"rel": "icon", "type": "image/svg+xml", "href": lambda request: static("img/logo.svg")}
    ],
    "SHOW_HISTORY": True,
    "SHOW_VIEW_ON_SITE": False,
    "SHOW_BACK_BUTTON": True,
    "DASHBOARD_CALLBACK": "analytics.finance.views.dashboard",
    "STYLES": [lambda request: static("css/admin.css")],
    "SCRIPTS": [lambda request: static("js/admin.js")],
    "ENVIRONMENT": "config.unfold.environment",
    "ACCOUNT": {
        "navigation": [{"title": "Your account", "link": reverse_lazy("billing:account")}],
    },
    "COLORS": {
        "primary": {
            "50": "#eef2fe",
            "100": "#dfe7fd",
            "200": "#c5d1fb",
            "300": "#a3b5f7",
            "400": "#7c93f0",
            "500": "#5673e6",
            "600": "#2f55d4",
            "700": "#2745b0",
            "800": "#24398d",
            "900": "#213371",
            "950": "#161f44",
        },
    },
    "COMMAND": {"search_callback": "analytics.finance.search.found"},
    "SIDEBAR": {
        "show_search": True,
        "command_search": True,
        "show_all_applications": False,
        "navigation": navigation,
    },
}
