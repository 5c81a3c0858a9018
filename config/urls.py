"""All addresses: pages at the top, the API under /api/v1/, finance under /admin/."""

from django.contrib import admin
from django.urls import include, path

from billing.api.schema import Docs, schema

_apps = ["billing", "usage", "invoices", "invoices.payments", "analytics"]

urlpatterns = [
    path("", include("config.health")),
    path("", include("config.metrics")),
    path("admin/", include("analytics.finance.urls")),
    path("admin/", admin.site.urls),
    path("api/schema/", schema, name="api-schema"),
    path("api/docs/", Docs.as_view(), name="api-docs"),
    *(path("api/v1/", include(f"{app}.api.urls")) for app in _apps),
    *(path("", include(f"{app}.urls")) for app in _apps),
]

handler400 = "billing.api.problems.handler400"
handler403 = "billing.api.problems.handler403"
handler404 = "billing.api.problems.handler404"
handler500 = "billing.api.problems.handler500"
