from django.apps import AppConfig


class UsageConfig(AppConfig):
    name = "usage"
    default_auto_field = "django.db.models.BigAutoField"

    def ready(self) -> None:
        from usage.queries import net  # noqa: F401, PLC0415 - connects its receiver
        from usage.services import agents  # noqa: F401, PLC0415 - connects its receiver
