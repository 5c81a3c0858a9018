from django.apps import AppConfig


class InvoicesConfig(AppConfig):
    name = "invoices"
    default_auto_field = "django.db.models.BigAutoField"

    def ready(self) -> None:
        # Connects the receivers; models are loaded by now.
        from invoices import customer_updates, notifications  # noqa: F401
        from invoices.services.stripe_client import configure_sdk

        configure_sdk()
