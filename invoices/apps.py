from django.apps import AppConfig


class InvoicesConfig(AppConfig):
    name = "invoices"
    default_auto_field = "django.db.models.BigAutoField"

    def ready(self) -> None:
        # Connects the receivers; models are loaded by now.
        from invoices import (  # noqa: F401
            customer_updates,
            notifications,
            receivers,
            settlement_tasks,
        )
        from invoices.admin_stripe import replace_stock_admin
        from invoices.services.stripe_client import configure_sdk

        configure_sdk()
        # All admin modules are loaded by now, dj-stripe's too.
        replace_stock_admin()
