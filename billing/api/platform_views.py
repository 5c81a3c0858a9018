"""API views of what belongs to the platform: costs, exchange rates, coupons and taxes."""

from typing import Any

from django.db.models import Model, QuerySet

from billing.api.access import visible_workspaces
from billing.api.views import ApiView
from billing.api.workspaces import KeyIsBound


class PlatformView(ApiView):
    """A key that is bound to a workspace, and members, see nothing of it and change nothing."""

    required_scopes = {
        "GET": ("billing:read", "prices:write"),
        "POST": "prices:write",
        "PATCH": "prices:write",
    }

    def all_of(self, model: type[Model]) -> "QuerySet[Any]":
        rows = model._default_manager.all()
        return rows if visible_workspaces(self.request) is None else rows.none()

    def refuse_bound_keys(self) -> None:
        if visible_workspaces(self.request) is not None:
            raise KeyIsBound("This key is bound to a workspace; this is the platform's to change.")
