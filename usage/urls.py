"""Pages of usage."""

from django.urls import path

from usage import pages

app_name = "usage"
urlpatterns = [
    path("w/<uuid:workspace_id>/usage/", pages.records, name="records"),
    path("w/<uuid:workspace_id>/usage.csv", pages.export, name="export"),
    path("w/<uuid:workspace_id>/calls/", pages.calls, name="calls"),
    path("w/<uuid:workspace_id>/calls/<uuid:call_id>/", pages.receipt, name="receipt"),
    path("w/<uuid:workspace_id>/agents/", pages.agents, name="agents"),
]
