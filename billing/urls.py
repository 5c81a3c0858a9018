"""Pages of billing."""

from django.urls import path

from billing import access_pages, account_pages, own_pages, pages

app_name = "billing"
urlpatterns = [
    path("", pages.home, name="home"),
    path("login/", pages.sign_in, name="login"),
    path("logout/", pages.sign_out, name="logout"),
    path("second-factor/", account_pages.second_factor, name="second-factor"),
    path("account/", own_pages.account, name="account"),
    path("account/mails/<uuid:workspace_id>/", own_pages.change_mails, name="change-mails"),
    path("workspaces/", own_pages.workspaces, name="workspaces"),
    path("account/second-factor/", account_pages.enrol, name="enrol"),
    path("account/passkeys/<int:passkey_id>/", account_pages.change_passkey, name="change-passkey"),
    path("account/sessions/", account_pages.end_sessions, name="end-sessions"),
    path("password/", pages.forgotten, name="forgotten"),
    path("password/<uidb64>/<token>/", pages.set_password, name="set-password"),
    path(
        "invitation/<uuid:invitation_id>/<str:token>/",
        access_pages.accept_invitation,
        name="invitation",
    ),
    path("w/<uuid:workspace_id>/people/", access_pages.people, name="people"),
    path(
        "w/<uuid:workspace_id>/people/<uuid:member_id>/", access_pages.change_member, name="member"
    ),
    path(
        "w/<uuid:workspace_id>/invitations/<uuid:invitation_id>/",
        access_pages.change_invitation,
        name="change-invitation",
    ),
    path("w/<uuid:workspace_id>/keys/", access_pages.keys, name="keys"),
    path(
        "w/<uuid:workspace_id>/keys/<uuid:key_id>/revoke/",
        access_pages.revoke,
        name="revoke-key",
    ),
    path("w/<uuid:workspace_id>/settings/", pages.settings, name="settings"),
    path("w/<uuid:workspace_id>/changes/", pages.changes, name="changes"),
    path("w/<uuid:workspace_id>/changes.csv", pages.changes_csv, name="changes-csv"),
]
