"""The admin's site: Unfold's, with what pages share worked out once."""

from typing import Any

from django.contrib.admin import AdminSite
from django.http import HttpRequest
from django.urls import get_script_prefix
from django.utils.functional import SimpleLazyObject
from django.utils.translation import get_language
from unfold.sites import UnfoldAdminSite

from config.unfold import environment, navigation_key


class Site(UnfoldAdminSite):
    def __init__(self, name: str = "admin") -> None:
        super().__init__(name)
        self._of_all: dict[tuple[str | None, str], dict[str, Any]] = {}

    def each_context(self, request: HttpRequest) -> dict[str, Any]:
        """Unfold puts the same settings together for each page, and the whole navigation, which
        pages show as it was made for whoever has the same rights."""
        key = (get_language(), get_script_prefix())
        if key not in self._of_all:
            self._of_all[key] = super().each_context(request)
        of_settings = self._of_all[key]
        own = AdminSite.each_context(self, request)
        return {
            **own,
            **{name: of_settings[name] for name in of_settings if name not in own},
            **{name: of_settings[name] for name in ("site_title", "site_header", "site_url")},
            "environment": environment(request),
            "navigation_key": navigation_key(request) if own["has_permission"] else "",
            "is_macintosh": "Macintosh" in request.headers.get("User-Agent", ""),
            "sidebar_navigation": SimpleLazyObject(
                lambda: self.get_sidebar_list(request) if own["has_permission"] else []
            ),
        }

    def get_app_list(self, request: HttpRequest, app_label: str | None = None) -> Any:
        """Every page is given the list of all models, and of ours none shows it: the navigation
        is our own. Putting it together asks for three rights and addresses of each model, a tenth
        of what a page takes."""
        made = super().get_app_list
        return SimpleLazyObject(lambda: made(request, app_label))
