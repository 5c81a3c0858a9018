"""Pages of billing."""

from django.urls import path

from billing import pages

app_name = "billing"
urlpatterns = [
    path("", pages.home, name="home"),
    path("login/", pages.sign_in, name="login"),
    path("logout/", pages.sign_out, name="logout"),
    path("password/", pages.forgotten, name="forgotten"),
    path("password/<uidb64>/<token>/", pages.set_password, name="set-password"),
    path("w/<uuid:workspace_id>/settings/", pages.settings, name="settings"),
    path("w/<uuid:workspace_id>/changes/", pages.changes, name="changes"),
]
