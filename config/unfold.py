"""The look and the navigation of the admin."""

from typing import Any

from django.http import HttpRequest
from django.templatetags.static import static
from django.urls import reverse, reverse_lazy


def _may(permission: str) -> Any:
    def check(request: HttpRequest) -> bool:
        return request.user.has_perm(permission)

    return check


def _item(title: str, icon: str, model: str, **extra: Any) -> dict[str, Any]:
    """A link to a model's list ("app_model") for those who may see it."""
    app, name = model.split("_", 1)
    return {
        "title": title,
        "icon": icon,
        "link": reverse(f"admin:{model}_changelist"),
        "permission": _may(f"{app}.view_{name}"),
        **extra,
    }


def navigation(request: HttpRequest) -> list[dict[str, Any]]:
    return [
        {
            "items": [
                {"title": "Finance", "icon": "monitoring", "link": reverse("admin:index")},
                {
                    "title": "Month end",
                    "icon": "event_available",
                    "link": reverse("finance:month_end"),
                    "permission": _may("billing.view_billingperiod"),
                },
                {
                    "title": "Reports",
                    "icon": "table_chart",
                    "link": reverse("finance:reports"),
                    "permission": _may("usage.view_usagerollup"),
                },
                {
                    "title": "Trial close",
                    "icon": "fact_check",
                    "link": reverse("finance:trial"),
                    "permission": _may("billing.view_billingperiod"),
                },
                {
                    "title": "Waiting work",
                    "icon": "pending_actions",
                    "link": reverse("finance:waiting_work"),
                    "permission": _may("billing.view_email"),
                },
                {
                    "title": "Proof",
                    "icon": "verified",
                    "link": reverse("finance:proof"),
                    "permission": _may("usage.view_usagerollup"),
                },
                {
                    "title": "Costs and margins",
                    "icon": "trending_down",
                    "link": reverse("finance:costs"),
                    "permission": _may("usage.view_usagerollup"),
                },
                {
                    "title": "What if",
                    "icon": "compare",
                    "link": reverse("finance:what_if"),
                    "permission": _may("usage.view_usagerollup"),
                },
            ],
        },
        {
            "title": "Billing",
            "separator": True,
            "items": [
                _item("Invoices", "receipt_long", "invoices_invoice"),
                _item("Credit notes", "undo", "invoices_creditnote"),
                _item("E-invoices", "data_object", "invoices_einvoice"),
                _item("Chargebacks", "gavel", "payments_chargeback"),
                _item("Disputes of calls", "voice_chat", "payments_calldispute"),
                _item("Lines by hand", "edit_note", "billing_manualitem"),
                _item("Billing periods", "calendar_month", "billing_billingperiod"),
                _item("Reconciliation", "compare_arrows", "payments_reconciliationrun"),
                _item("Differences", "rule", "payments_difference"),
                _item("Limit alerts", "notification_important", "billing_limitalert"),
                _item("Budgets", "savings", "usage_budget"),
                _item("Budget levels reached", "data_alert", "usage_budgetevent"),
                _item("E-mails", "mail", "billing_email"),
            ],
        },
        {
            "title": "Customers",
            "separator": True,
            "items": [
                _item("Workspaces", "domain", "billing_workspace"),
                _item("Voice agents", "support_agent", "usage_voiceagent"),
                _item("Calls", "call", "usage_call"),
                _item("Usage records", "list_alt", "usage_usagerecord"),
                _item("Usage by day", "bar_chart", "usage_usagerollup"),
                _item("Calls by hour", "schedule", "usage_callrollup"),
            ],
        },
        {
            "title": "Prices",
            "separator": True,
            "items": [
                _item("Rate cards", "price_change", "billing_ratecard"),
                _item("Overrides", "handshake", "billing_priceoverride"),
                _item("Provider costs", "shopping_cart", "billing_providercost"),
                _item("Exchange rates", "currency_exchange", "billing_exchangerate"),
                _item("Coupons", "local_offer", "billing_coupon"),
                _item("Tiers", "sell", "billing_subscriptiontier"),
                _item("Platform settings", "tune", "billing_platformsetting"),
                _item("Issuing entities", "apartment", "billing_issuingentity"),
            ],
        },
        {
            "title": "Tax",
            "separator": True,
            "items": [
                _item("Registrations", "account_balance", "billing_taxregistration"),
                _item("Rates", "percent", "billing_taxrate"),
                _item("Customers' numbers", "verified", "billing_taxnumbercheck"),
                _item("Asked of Stripe Tax", "calculate", "invoices_taxcalculation"),
            ],
        },
        {
            "title": "Stripe's copies",
            "separator": True,
            "collapsible": True,
            "items": [
                _item("Customers", "badge", "djstripe_customer"),
                _item("Invoices", "receipt", "djstripe_invoice"),
                _item("Payments", "credit_card", "djstripe_paymentintent"),
                _item("Refunds", "undo", "djstripe_refund"),
                _item("Disputes", "gavel", "djstripe_dispute"),
                _item("Subscriptions", "autorenew", "djstripe_subscription"),
                _item("Events", "bolt", "djstripe_event"),
                _item("Webhook endpoints", "webhook", "djstripe_webhookendpoint"),
                _item("Webhook deliveries", "inbox", "djstripe_webhookeventtrigger"),
            ],
        },
        {
            "title": "Access",
            "separator": True,
            "collapsible": True,
            "items": [
                _item("Users", "person", "billing_user"),
                _item("Groups", "group", "auth_group"),
                _item("Service keys", "key", "billing_servicekey"),
                _item("Log of changes", "history", "billing_auditentry"),
                _item("Actions in the admin", "edit_note", "admin_logentry"),
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
