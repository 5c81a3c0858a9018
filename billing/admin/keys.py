"""Admin page of service keys: made here with the secret shown once, and revoked."""

from typing import Any

from django import forms
from django.contrib import admin
from django.http import HttpRequest, HttpResponse
from django.template.response import TemplateResponse
from django.utils import timezone as clock
from django.utils.cache import add_never_cache_headers
from unfold.contrib.filters.admin import AutocompleteSelectFilter
from unfold.decorators import display
from unfold.enums import ActionVariant
from unfold.widgets import UnfoldAdminCheckboxSelectMultipleWidget

from billing.admin.base import BillingAdmin, asking
from billing.models import SCOPES, ServiceKey
from billing.services.keys import create_key, revoke_key


class NewKeyForm(forms.ModelForm):
    scopes = forms.MultipleChoiceField(
        choices=[(scope, scope) for scope in SCOPES],
        widget=UnfoldAdminCheckboxSelectMultipleWidget,
        help_text="What it may do. Give a service only what it needs.",
    )

    class Meta:
        model = ServiceKey
        fields = ("name", "scopes", "workspace", "expires_at")

    def clean_expires_at(self) -> Any:
        expires_at = self.cleaned_data["expires_at"]
        if expires_at is not None and expires_at <= clock.now():
            raise forms.ValidationError("It would have expired already.")
        return expires_at


class StateFilter(admin.SimpleListFilter):
    title = "state"
    parameter_name = "state"

    def lookups(self, request: HttpRequest, model_admin: Any) -> list[tuple[str, str]]:
        return [("usable", "Usable"), ("revoked", "Revoked"), ("expired", "Expired")]

    def queryset(self, request: HttpRequest, queryset: Any) -> Any:
        now = clock.now()
        match self.value():
            case "usable":
                return queryset.filter(revoked_at__isnull=True).exclude(expires_at__lte=now)
            case "revoked":
                return queryset.filter(revoked_at__isnull=False)
            case "expired":
                return queryset.filter(expires_at__lte=now)
        return queryset


@admin.register(ServiceKey)
class ServiceKeyAdmin(BillingAdmin):
    """A key is made and revoked, never changed."""

    list_display = (
        "name",
        "start",
        "state",
        "scopes_shown",
        "workspace",
        "last_used_at",
        "expires_at",
    )
    list_filter = (StateFilter, ("workspace", AutocompleteSelectFilter))
    search_fields = ("name", "prefix", "workspace__name")
    list_select_related = ("workspace",)
    autocomplete_fields = ("workspace",)
    fields = (
        ("name", "start", "state"),
        "scopes_shown",
        "workspace",
        ("created_at", "expires_at", "revoked_at", "last_used_at"),
    )
    add_fieldsets = ((None, {"fields": ("name", "scopes", "workspace", "expires_at")}),)
    actions_detail = ("revoke",)

    def has_change_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return False

    def has_delete_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return False

    def has_revoke_permission(self, request: HttpRequest, object_id: Any = None) -> bool:
        return (
            self.has_act_permission(request)
            and ServiceKey.objects.filter(pk=object_id, revoked_at__isnull=True).exists()
        )

    def get_form(
        self, request: HttpRequest, obj: Any = None, change: bool = False, **kwargs: Any
    ) -> Any:
        if obj is None:
            kwargs["form"] = NewKeyForm
        return super().get_form(request, obj, change, **kwargs)

    def save_model(self, request: HttpRequest, obj: ServiceKey, form: Any, change: bool) -> None:
        cleaned = form.cleaned_data
        key, secret = create_key(
            name=cleaned["name"],
            scopes=cleaned["scopes"],
            now=clock.now(),
            workspace_id=cleaned["workspace"].pk if cleaned["workspace"] else None,
            expires_at=cleaned["expires_at"],
        )
        obj.pk, obj.prefix, obj.created_at = key.pk, key.prefix, key.created_at
        # Only this answer carries it: it is kept neither here nor in the session.
        request.new_secret = secret  # type: ignore[attr-defined]

    def response_add(
        self, request: HttpRequest, obj: ServiceKey, post_url_continue: str | None = None
    ) -> HttpResponse:
        response = TemplateResponse(
            request,
            "admin/billing/servicekey/created.html",
            {
                **self.admin_site.each_context(request),
                "opts": self.opts,
                "title": f"Key {obj.name}",
                "key": obj,
                "secret": request.new_secret,  # type: ignore[attr-defined]
            },
        )
        add_never_cache_headers(response)
        return response

    @display(description="Begins with")
    def start(self, key: ServiceKey) -> str:
        return f"vb_{key.prefix}_…"

    @display(
        description="State",
        label={"Usable": "success", "Revoked": "danger", "Expired": "warning"},
    )
    def state(self, key: ServiceKey) -> str:
        if key.revoked_at is not None:
            return "Revoked"
        if key.expires_at is not None and key.expires_at <= clock.now():
            return "Expired"
        return "Usable"

    @display(description="Scopes")
    def scopes_shown(self, key: ServiceKey) -> str:
        return ", ".join(key.scopes)

    @asking(
        "Revoke",
        icon="block",
        variant=ActionVariant.DANGER,
        permission="revoke",
        title="Revoke this key?",
        text="Services that use it are refused within seconds. This cannot be undone.",
        submit="Revoke",
    )
    def revoke(self, request: HttpRequest, key: ServiceKey, form: Any) -> str:
        revoke_key(key=key, now=clock.now())
        return f"{key.name} is revoked."
