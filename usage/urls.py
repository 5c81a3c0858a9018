"""Pages of usage."""

from django.urls import path

from usage import budget_pages, call_pages, pages, unsubscribe_pages

app_name = "usage"
urlpatterns = [
    path("w/<uuid:workspace_id>/usage/", pages.records, name="records"),
    path("w/<uuid:workspace_id>/usage.csv", pages.export, name="export"),
    path("w/<uuid:workspace_id>/calls/", call_pages.calls, name="calls"),
    path("w/<uuid:workspace_id>/calls.csv", call_pages.export, {"form": "csv"}, name="calls-csv"),
    path(
        "w/<uuid:workspace_id>/calls.xlsx", call_pages.export, {"form": "xlsx"}, name="calls-xlsx"
    ),
    path("w/<uuid:workspace_id>/calls/<uuid:call_id>/", call_pages.receipt, name="receipt"),
    path("w/<uuid:workspace_id>/agents/", pages.agents, name="agents"),
    path("w/<uuid:workspace_id>/budgets/", budget_pages.budgets, name="budgets"),
    path("w/<uuid:workspace_id>/budgets/new/", budget_pages.new_budget, name="new-budget"),
    path("w/<uuid:workspace_id>/budgets/<uuid:budget_id>/", budget_pages.budget, name="budget"),
    path(
        "w/<uuid:workspace_id>/budgets/<uuid:budget_id>/remove/",
        budget_pages.remove,
        name="remove-budget",
    ),
    path(
        "w/<uuid:workspace_id>/budgets/<uuid:budget_id>/test/",
        budget_pages.test,
        name="test-budget",
    ),
    path("unsubscribe/<str:token>/", unsubscribe_pages.unsubscribe, name="unsubscribe"),
]
