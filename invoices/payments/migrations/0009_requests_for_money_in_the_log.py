"""What Stripe is asked for has its amounts in the audit log, so that the proof can hold it to
them; how often it was tried is nobody's change."""

from django.db import migrations

from billing.migrations._audit import audited

_REQUEST = "key_version idempotency_key key_used_at key_spent params times_tried started_at done_at"
_WORK = (
    "status blocked_reason attempts last_error requested_at next_attempt_at queued_at finished_at"
    " lease_expires_at"
)


class Migration(migrations.Migration):
    dependencies = [
        ("billing", "0017_what_a_month_was_charged_in_the_log"),
        ("payments", "0008_month_records"),
    ]

    operations = [
        audited("payments_creditnotestep", workspace="", ignored=_REQUEST),
        audited("payments_reportedpayment", workspace="", ignored=f"{_REQUEST} {_WORK}"),
    ]
