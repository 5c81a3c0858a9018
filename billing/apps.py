from django.apps import AppConfig
from django.db.backends.signals import connection_created

from billing import audit


class BillingConfig(AppConfig):
    name = "billing"
    default_auto_field = "django.db.models.BigAutoField"

    def ready(self) -> None:
        connection_created.connect(audit.install, dispatch_uid="billing.audit")
