from django.apps import AppConfig


class InvoicesConfig(AppConfig):
    name = "invoices"
    # Its pages' way back would read "Invoices > Invoices".
    verbose_name = "Documents"
    default_auto_field = "django.db.models.BigAutoField"

    def ready(self) -> None:
        from invoices import receivers  # noqa: F401, PLC0415 - connects them, models being loaded
