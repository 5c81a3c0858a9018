"""Django's admin with the site of this project, which looks as `config.unfold` says."""

from django.contrib.admin.apps import AdminConfig


class Admin(AdminConfig):
    default_site = "config.admin_site.Site"
