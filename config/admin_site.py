"""The admin's site: Unfold's, which asks for what a page shows only where a page shows it."""

from typing import Any

from django.http import HttpRequest
from django.utils.functional import SimpleLazyObject
from unfold.sites import UnfoldAdminSite


class Site(UnfoldAdminSite):
    def get_app_list(self, request: HttpRequest, app_label: str | None = None) -> Any:
        """Every page is given the list of all models, and of ours none shows it: the navigation
        is our own. Putting it together asks for three rights and addresses of each model, a tenth
        of what a page takes."""
        made = super().get_app_list
        return SimpleLazyObject(lambda: made(request, app_label))
