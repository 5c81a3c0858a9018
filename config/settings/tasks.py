"""Settings of background work: how tasks are delivered, and which start by the clock."""

from celery.schedules import crontab

CELERY_RESULT_BACKEND = None
CELERY_TASK_IGNORE_RESULT = True
# A task that a killed worker held is delivered again: every task may run twice.
CELERY_TASK_ACKS_LATE = True
CELERY_TASK_REJECT_ON_WORKER_LOST = True
CELERY_WORKER_PREFETCH_MULTIPLIER = 1
CELERY_BROKER_CONNECTION_RETRY_ON_STARTUP = True
CELERY_BROKER_CONNECTION_TIMEOUT = 2
# A broker that hangs is given up after these: workers connect again, and nobody else waits for it.
CELERY_BROKER_TRANSPORT_OPTIONS = {
    "visibility_timeout": 1800,
    "socket_timeout": 3,
    "socket_connect_timeout": 2,
}
# A request does not wait for a broker that is down: what it wanted queued is swept up.
CELERY_TASK_PUBLISH_RETRY = False
CELERY_TASK_TIME_LIMIT = 1500
CELERY_TIMEZONE = "UTC"
# Each task asks the database what is due: a beat that was down, or ran twice, loses nothing.
CELERY_BEAT_SCHEDULER = "config.beat.Scheduler"
CELERY_BEAT_SCHEDULE = {
    "collect unpaid invoices": {"task": "payments.collect", "schedule": crontab(minute="20")},
    "compare invoices with Stripe": {
        "task": "payments.reconcile",
        "schedule": crontab(hour="2", minute="30"),
    },
    "prove the ledger": {
        "task": "payments.prove_ledger",
        "schedule": crontab(hour="3", minute="10"),
    },
    "prune old webhooks and comparisons": {
        "task": "payments.prune",
        "schedule": crontab(hour="3", minute="40"),
    },
    "prune sessions and sign-ins": {
        "task": "billing.prune_sign_ins",
        "schedule": crontab(hour="3", minute="50"),
    },
    "mail about cards that expire": {
        "task": "payments.mail_expiring_cards",
        "schedule": crontab(minute="50"),
    },
    "check tax numbers again": {
        "task": "billing.check_old_tax_numbers",
        "schedule": crontab(hour="4", minute="5"),
    },
    "forget what old mails said": {
        "task": "billing.empty_old_emails",
        "schedule": crontab(hour="4", minute="20"),
    },
    "open missing billing periods": {
        "task": "billing.open_missing_periods",
        "schedule": crontab(minute="2"),
    },
    "finalize due billing periods": {
        "task": "invoices.finalize_due_periods",
        "schedule": crontab(minute="5"),
    },
    "mail issued invoices": {
        "task": "invoices.mail_unmailed_invoices",
        "schedule": crontab(minute="*/10"),
    },
    "go on with waiting work": {"task": "billing.start_due_work", "schedule": 60.0},
    "mail invitations": {"task": "billing.mail_invitations", "schedule": 60.0},
    "mail password links": {"task": "billing.mail_password_links", "schedule": 60.0},
    "seal closed periods": {
        "task": "usage.seal_closed_periods",
        "schedule": crontab(minute="*/10"),
    },
    "anchor the ends of seal chains": {
        "task": "usage.anchor_heads",
        "schedule": crontab(hour="4", minute="10"),
    },
    "price calls": {"task": "usage.price_calls", "schedule": 60.0},
    "price the calls of two days again": {
        "task": "usage.price_calls_again",
        "schedule": crontab(hour="4", minute="40"),
    },
    "check limits": {"task": "usage.sweep_limits", "schedule": 60.0},
    "compare budgets": {"task": "usage.check_budgets", "schedule": 60.0},
    "mail weekly summaries": {
        "task": "usage.mail_weekly_summaries",
        "schedule": crontab(minute="15"),
    },
}
