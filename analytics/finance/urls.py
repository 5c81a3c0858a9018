"""Addresses of the finance pages, below /admin/ and behind its sign-in."""

from django.contrib import admin
from django.urls import path

from analytics.finance import customer, month_end, owner_view, proof, reports, trial, views, what_if

app_name = "finance"
urlpatterns = [
    path("month-end/", admin.site.admin_view(month_end.page), name="month_end"),
    path("month-end/sign/", admin.site.admin_view(month_end.sign), name="sign_month"),
    path("month-end/records/", admin.site.admin_view(month_end.records), name="month_records"),
    path(
        "month-end/records/<uuid:month_record_id>/",
        admin.site.admin_view(month_end.record_page),
        name="month_record",
    ),
    path(
        "month-end/records/<uuid:month_record_id>/confirm/",
        admin.site.admin_view(month_end.confirm),
        name="confirm_month",
    ),
    path("month-end/start/", admin.site.admin_view(views.start_month_end), name="start_month_end"),
    path("trial-close/", admin.site.admin_view(trial.page), name="trial"),
    path("trial-close/start/", admin.site.admin_view(trial.start_trial), name="start_trial"),
    path("trial-close/approve/", admin.site.admin_view(trial.approve), name="approve_trial"),
    path("customers/<uuid:workspace_id>/", admin.site.admin_view(customer.page), name="customer"),
    path(
        "customers/<uuid:workspace_id>/see-as-owner/",
        admin.site.admin_view(owner_view.see_as_owner),
        name="see_as_owner",
    ),
    path("owner-view/leave/", admin.site.admin_view(owner_view.leave), name="leave_owner_view"),
    path("reports/", admin.site.admin_view(reports.index), name="reports"),
    path("reports/<slug:report_key>/", admin.site.admin_view(reports.page), name="report"),
    path(
        "reports/<slug:report_key>/<slug:file_format>/",
        admin.site.admin_view(reports.file),
        name="report_file",
    ),
    path("what-if/", admin.site.admin_view(what_if.page), name="what_if"),
    path("proof/", admin.site.admin_view(proof.page), name="proof"),
    path("proof/start/", admin.site.admin_view(proof.start_proof), name="start_proof"),
    path("costs/", admin.site.admin_view(views.costs_and_margins), name="costs"),
    path(
        "costs/<uuid:period_id>/<uuid:rate_id>/",
        admin.site.admin_view(views.low_records),
        name="low_records",
    ),
    path("reconcile/", admin.site.admin_view(views.start_reconciliation), name="reconcile"),
    path("work/", admin.site.admin_view(views.waiting_work_list), name="waiting_work"),
    path("work/several/", admin.site.admin_view(views.act_on_chosen_work), name="several_works"),
    path(
        "work/<str:work_kind>/<uuid:work_id>/try-again/",
        admin.site.admin_view(views.act_on_work),
        {"act": "try-again"},
        name="try_again",
    ),
    path(
        "work/<str:work_kind>/<uuid:work_id>/give-up/",
        admin.site.admin_view(views.act_on_work),
        {"act": "give-up"},
        name="give_up",
    ),
]
