"""dj-stripe's copies of Stripe's objects for staff: read-only, and without any secret.

dj-stripe's own pages are all taken away: they show the secret API key to whoever may see them,
let staff without any permission cancel subscriptions, and fail on objects of today's API.
"""

import json
from typing import Any

from django.contrib import admin
from django.db.models import Model
from django.http import HttpRequest
from django.utils.html import format_html
from django.utils.safestring import SafeString
from djstripe import models as stripe_models
from unfold.admin import ModelAdmin

_SECRETS = frozenset({"secret", "client_secret", "api_key", "webhook_secret"})
_HIDDEN = "(hidden)"

# What finance staff look things up in. API keys are deliberately not among them.
SHOWN: tuple[type[Model], ...] = (
    stripe_models.Customer,
    stripe_models.Invoice,
    stripe_models.Charge,
    stripe_models.PaymentIntent,
    stripe_models.PaymentMethod,
    stripe_models.Refund,
    stripe_models.Dispute,
    stripe_models.Subscription,
    stripe_models.Event,
    stripe_models.WebhookEndpoint,
)


def without_secrets(value: Any) -> Any:
    """The JSON value with what is secret in it replaced, at any depth."""
    if isinstance(value, dict):
        return {
            name: _HIDDEN if name in _SECRETS and inner else without_secrets(inner)
            for name, inner in value.items()
        }
    if isinstance(value, list):
        return [without_secrets(inner) for inner in value]
    return value


class _ReadOnlyAdmin(ModelAdmin):
    actions = None
    show_full_result_count = False
    list_per_page = 25

    def has_add_permission(self, request: HttpRequest) -> bool:
        return False

    def has_change_permission(self, request: HttpRequest, obj: Model | None = None) -> bool:
        return False

    def has_delete_permission(self, request: HttpRequest, obj: Model | None = None) -> bool:
        return False


class StripeObjectAdmin(_ReadOnlyAdmin):
    list_display = ("id", "subject", "livemode", "created")
    list_filter = ("livemode", "created")
    search_fields = ("id",)
    ordering = ("-created",)
    fields = ("id", "livemode", "created", "djstripe_updated", "content")
    readonly_fields = fields

    @admin.display(description="What it is")
    def subject(self, obj: Any) -> str:
        """Of an event its type, of anything else its state and whom it belongs to."""
        data = obj.stripe_data or {}
        parts = [data.get("type"), data.get("status"), data.get("email"), data.get("url")]
        return ", ".join(part for part in parts if isinstance(part, str)) or "–"

    @admin.display(description="As Stripe has it")
    def content(self, obj: Any) -> SafeString:
        return _pretty(obj.stripe_data)


class WebhookDeliveryAdmin(_ReadOnlyAdmin):
    list_display = ("created", "event", "valid", "processed", "exception", "remote_ip")
    list_filter = ("valid", "processed", "created")
    list_select_related = ("event",)
    search_fields = ("=event__id", "exception")
    ordering = ("-created",)
    fields = (
        "created",
        "event",
        "remote_ip",
        "valid",
        "processed",
        "exception",
        "traceback",
        "content",
    )
    readonly_fields = fields

    @admin.display(description="Body")
    def content(self, obj: stripe_models.WebhookEventTrigger) -> SafeString:
        return _pretty(obj.json_body)


def _pretty(value: Any) -> SafeString:
    text = json.dumps(without_secrets(value), indent=2, ensure_ascii=False)
    return format_html('<pre style="white-space:pre-wrap;overflow-wrap:anywhere">{}</pre>', text)


def replace_stock_admin(site: admin.AdminSite = admin.site) -> None:
    """Take dj-stripe's pages off `site` and put these in their place."""
    for model in [model for model in site._registry if model._meta.app_label == "djstripe"]:
        site.unregister(model)
    site.register(SHOWN, StripeObjectAdmin)
    site.register(stripe_models.WebhookEventTrigger, WebhookDeliveryAdmin)
