from django.apps import AppConfig


class PaymentsConfig(AppConfig):
    name = "invoices.payments"
    label = "payments"
    default_auto_field = "django.db.models.BigAutoField"

    def ready(self) -> None:
        # These need models, which are loaded by now; the first connects the receivers.
        from invoices.payments import checks, receivers  # noqa: F401, PLC0415 - see above
        from invoices.payments.admin.djstripe import replace_stock_admin  # noqa: PLC0415
        from invoices.payments.services.stripe_client import configure_sdk  # noqa: PLC0415

        configure_sdk()
        # All admin modules are loaded by now, dj-stripe's too.
        replace_stock_admin()
