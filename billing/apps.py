from django.apps import AppConfig
from django.contrib.auth.signals import user_logged_in


class BillingConfig(AppConfig):
    name = "billing"
    default_auto_field = "django.db.models.BigAutoField"

    def ready(self) -> None:
        # Each service of durable work makes its kind known; this needs models, loaded by now.
        # Imports models, which are there only now.
        from billing import checks  # noqa: F401, PLC0415 - see above
        from billing.second_factor import note_sign_in  # noqa: PLC0415
        from billing.services import emails  # noqa: F401, PLC0415 - see above
        from billing.services.account_news import tell_password_changed  # noqa: PLC0415
        from billing.signals import password_changed  # noqa: PLC0415

        password_changed.connect(tell_password_changed, dispatch_uid="billing.password_changed")
        user_logged_in.connect(note_sign_in, dispatch_uid="billing.sign_in")
