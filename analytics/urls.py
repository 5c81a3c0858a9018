"""Pages of analytics."""

from django.urls import path

from analytics import pages

app_name = "analytics"
urlpatterns = [
    path("w/<uuid:workspace_id>/", pages.dashboard, name="dashboard"),
    path("w/<uuid:workspace_id>/spend/", pages.spend, name="spend"),
    path("w/<uuid:workspace_id>/compare/", pages.compare, name="compare"),
]
