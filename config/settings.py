"""Settings, read from environment variables; `docs/settings.md` lists them all.

Without `DATABASE_URL`, `REDIS_URL` or `STRIPE_SECRET_KEY` the project uses its own embedded
PostgreSQL, Valkey and Stripe sandbox (`dev.embedded`).
"""

from pathlib import Path

import sentry_sdk
import stripe
from celery.schedules import crontab
from csp.constants import NONCE, NONE, SELF  # noqa: F401
from django.core.exceptions import ImproperlyConfigured
from psycopg import ProgrammingError
from psycopg.conninfo import conninfo_to_dict

from config import env, logs
from config.unfold import UNFOLD  # noqa: F401
from dev import embedded

BASE_DIR = Path(__file__).resolve().parent.parent
LOCAL_DIR = embedded.local_dir()

# Security
DEBUG = env.flag("DEBUG", False)
SECRET_KEY = env.text("SECRET_KEY") or embedded.secret_key()
ALLOWED_HOSTS = env.words("ALLOWED_HOSTS", ["localhost", "127.0.0.1", "[::1]"])
CSRF_TRUSTED_ORIGINS = env.words("CSRF_TRUSTED_ORIGINS")
HTTPS = env.flag("HTTPS", False)
BEHIND_PROXY = env.flag("BEHIND_PROXY", False)
SECURE_SSL_REDIRECT = HTTPS
SESSION_COOKIE_SECURE = HTTPS
CSRF_COOKIE_SECURE = HTTPS
SESSION_COOKIE_HTTPONLY = True
SESSION_COOKIE_AGE = 14 * 24 * 3600
SECURE_HSTS_SECONDS = 365 * 24 * 3600 if HTTPS else 0
SECURE_PROXY_SSL_HEADER = ("HTTP_X_FORWARDED_PROTO", "https") if BEHIND_PROXY else None
SECURE_REFERRER_POLICY = "same-origin"
X_FRAME_OPTIONS = "DENY"

# Plotly adds one empty <style> element: the hash is that of the empty string.
_EMPTY_STYLE = "'sha256-47DEQpj8HBSa+/TImW+5JCeuQeRkm5NMpJWZG3hSuFU='"
_CSP: dict[str, list[str]] = {
    "default-src": [NONE],
    "script-src": [SELF],
    "style-src": [SELF, _EMPTY_STYLE],
    "img-src": [SELF, "data:"],
    "font-src": [SELF],
    "connect-src": [SELF],
    "form-action": [SELF],
    "base-uri": [NONE],
    "frame-ancestors": [NONE],
}
CONTENT_SECURITY_POLICY = {"EXCLUDE_URL_PREFIXES": ("/admin/",), "DIRECTIVES": _CSP}

# Applications
INSTALLED_APPS = [
    "unfold",
    "unfold.contrib.filters",
    "django.contrib.admin",
    "django.contrib.auth",
    "django.contrib.contenttypes",
    "django.contrib.sessions",
    "django.contrib.messages",
    "whitenoise.runserver_nostatic",
    "django.contrib.staticfiles",
    "django.contrib.humanize",
    "django.contrib.postgres",
    "django_htmx",
    # Before our apps, so that our webhook receivers run after its sync.
    "djstripe",
    "rest_framework",
    "django_filters",
    "drf_spectacular",
    "drf_spectacular_sidecar",
    "axes",
    "csp",
    "billing",
    "usage",
    "invoices",
    "analytics",
    "dev",
]

MIDDLEWARE = [
    "config.metrics.RequestMetrics",
    "django.middleware.security.SecurityMiddleware",
    "whitenoise.middleware.WhiteNoiseMiddleware",
    "csp.middleware.CSPMiddleware",
    "invoices.webhooks.guard.StripeWebhookGuard",
    "django.contrib.sessions.middleware.SessionMiddleware",
    "config.middleware.SlashForReadersMiddleware",
    "django.middleware.csrf.CsrfViewMiddleware",
    "django.contrib.auth.middleware.AuthenticationMiddleware",
    "django.contrib.messages.middleware.MessageMiddleware",
    "django.middleware.clickjacking.XFrameOptionsMiddleware",
    "django_htmx.middleware.HtmxMiddleware",
    "axes.middleware.AxesMiddleware",
]

ROOT_URLCONF = "config.urls"
WSGI_APPLICATION = "config.wsgi.application"
TEMPLATES = [
    {
        "BACKEND": "django.template.backends.django.DjangoTemplates",
        "DIRS": [BASE_DIR / "templates"],
        "APP_DIRS": True,
        "OPTIONS": {
            "context_processors": [
                "django.template.context_processors.request",
                "django.contrib.auth.context_processors.auth",
                "django.contrib.messages.context_processors.messages",
            ],
        },
    }
]

# Database
_DATABASE_URL = embedded.database_url()
try:
    _DATABASE = conninfo_to_dict(_DATABASE_URL)
except ProgrammingError as error:
    raise ImproperlyConfigured(f"DATABASE_URL is not a PostgreSQL address: {error}") from None
if not _DATABASE_URL.startswith(("postgres://", "postgresql://")):
    raise ImproperlyConfigured("DATABASE_URL must start with postgres:// or postgresql://.")

DATABASES = {
    "default": {
        "ENGINE": "django.db.backends.postgresql",
        "NAME": _DATABASE.pop("dbname", "") or "billing",
        "USER": _DATABASE.pop("user", "") or "",
        "PASSWORD": _DATABASE.pop("password", "") or "",
        "HOST": _DATABASE.pop("host", "") or "",
        "PORT": _DATABASE.pop("port", "") or "",
        "CONN_MAX_AGE": 0,
        "OPTIONS": {
            **_DATABASE,
            # Threads share a few warm connections; the hot paths ask for prepared statements.
            "pool": {
                "min_size": env.whole("DATABASE_POOL_MIN", 1, most=100),
                "max_size": env.whole("DATABASE_POOL_MAX", 20, least=1, most=200),
                "timeout": 15,
            },
            "prepare_threshold": 5,
        },
    }
}
DEFAULT_AUTO_FIELD = "django.db.models.BigAutoField"
MIGRATION_MODULES = {"djstripe": "config.djstripe_migrations"}

# Redis: broker, cache, throttles
_REDIS = embedded.redis_urls()
CACHES = {
    "default": {
        "BACKEND": "django.core.cache.backends.redis.RedisCache",
        "LOCATION": _REDIS.cache_url,
        "KEY_PREFIX": "billing",
    }
}
CELERY_BROKER_URL = _REDIS.celery_url
CELERY_RESULT_BACKEND = None
CELERY_TASK_IGNORE_RESULT = True
# A task that a killed worker held is delivered again: every task may run twice.
CELERY_TASK_ACKS_LATE = True
CELERY_TASK_REJECT_ON_WORKER_LOST = True
CELERY_WORKER_PREFETCH_MULTIPLIER = 1
CELERY_BROKER_CONNECTION_RETRY_ON_STARTUP = True
CELERY_BROKER_TRANSPORT_OPTIONS = {"visibility_timeout": 1800}
# A request does not wait for a broker that is down: what it wanted queued is swept up.
CELERY_TASK_PUBLISH_RETRY = False
CELERY_TASK_TIME_LIMIT = 1500
CELERY_TIMEZONE = "UTC"
# Each task asks the database what is due: a beat that was down, or ran twice, loses nothing.
CELERY_BEAT_SCHEDULE = {
    "collect unpaid invoices": {"task": "invoices.collect", "schedule": crontab(minute="20")},
    "carry out what finance asked of Stripe": {
        "task": "invoices.sweep_actions",
        "schedule": 60.0,
    },
    "compare invoices with Stripe": {
        "task": "invoices.reconcile",
        "schedule": crontab(hour="2", minute="30"),
    },
    "prune old webhooks": {
        "task": "invoices.prune_webhooks",
        "schedule": crontab(hour="3", minute="40"),
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
    "push invoices to Stripe": {"task": "invoices.sweep_pushes", "schedule": 60.0},
    "send changed details to Stripe": {"task": "invoices.sweep_customers", "schedule": 60.0},
    "deliver queued e-mails": {"task": "billing.deliver_emails", "schedule": 60.0},
    "check limits": {"task": "usage.sweep_limits", "schedule": 60.0},
}

# People
AUTH_USER_MODEL = "billing.User"
AUTHENTICATION_BACKENDS = [
    "axes.backends.AxesStandaloneBackend",
    "django.contrib.auth.backends.ModelBackend",
]
AUTH_PASSWORD_VALIDATORS = [
    {"NAME": "django.contrib.auth.password_validation.UserAttributeSimilarityValidator"},
    {"NAME": "django.contrib.auth.password_validation.MinimumLengthValidator"},
    {"NAME": "django.contrib.auth.password_validation.CommonPasswordValidator"},
    {"NAME": "django.contrib.auth.password_validation.NumericPasswordValidator"},
]
LOGIN_URL = "/login/"
LOGIN_REDIRECT_URL = "/"
LOGOUT_REDIRECT_URL = "/login/"
AXES_ENABLE_ADMIN = False
AXES_FAILURE_LIMIT = 8
AXES_COOLOFF_TIME = 0.25  # hours
AXES_LOCKOUT_PARAMETERS = [["username", "ip_address"]]
AXES_RESET_ON_SUCCESS = True
AXES_LOCKOUT_TEMPLATE = "429.html"
# The name of the field in forms and credentials: by default it would be looked for as "email".
AXES_USERNAME_FORM_FIELD = "username"
AXES_IPWARE_PROXY_COUNT = 1 if BEHIND_PROXY else 0

# Language, time, files
LANGUAGE_CODE = "en"
TIME_ZONE = "UTC"
USE_TZ = True
USE_I18N = False
FORMAT_MODULE_PATH = ["config.formats"]
STATIC_URL = "/static/"
STATIC_ROOT = Path(env.text("STATIC_ROOT") or LOCAL_DIR / "static")
STATICFILES_DIRS = [BASE_DIR / "static"]
STORAGES = {
    "default": {"BACKEND": "django.core.files.storage.FileSystemStorage"},
    "staticfiles": {
        "BACKEND": "django.contrib.staticfiles.storage.StaticFilesStorage"
        if DEBUG
        else "whitenoise.storage.CompressedManifestStaticFilesStorage"
    },
}

# --- E-mail -------------------------------------------------------------------------------------
DEFAULT_FROM_EMAIL = env.text("DEFAULT_FROM_EMAIL", "billing@voice-platform.example")
FINANCE_EMAILS = env.words("FINANCE_EMAILS")
EMAIL_HOST = env.text("EMAIL_HOST")
EMAIL_PORT = env.whole("EMAIL_PORT", 587, least=1, most=65535)
EMAIL_HOST_USER = env.text("EMAIL_HOST_USER")
EMAIL_HOST_PASSWORD = env.text("EMAIL_HOST_PASSWORD")
EMAIL_USE_TLS = env.flag("EMAIL_USE_TLS", True)
EMAIL_TIMEOUT = 20
EMAIL_FILE_PATH = LOCAL_DIR / "mail"
EMAIL_BACKEND = (
    "django.core.mail.backends.smtp.EmailBackend"
    if EMAIL_HOST
    else "django.core.mail.backends.filebased.EmailBackend"
)

# API
REST_FRAMEWORK = {
    "DEFAULT_AUTHENTICATION_CLASSES": [
        "billing.api.authentication.ServiceKeyAuthentication",
        "billing.api.authentication.MemberSessionAuthentication",
    ],
    "DEFAULT_PERMISSION_CLASSES": ["billing.api.permissions.HasScope"],
    "DEFAULT_RENDERER_CLASSES": ["billing.api.renderers.ExactJSONRenderer"],
    "DEFAULT_PARSER_CLASSES": ["billing.api.parsers.ExactJSONParser"],
    "DEFAULT_CONTENT_NEGOTIATION_CLASS": "billing.api.renderers.OneFormat",
    "DEFAULT_PAGINATION_CLASS": "billing.api.pagination.CursorPagination",
    "DEFAULT_FILTER_BACKENDS": ["billing.api.filters.StrictFilterBackend"],
    "DEFAULT_THROTTLE_CLASSES": ["billing.api.throttles.ServiceKeyThrottle"],
    "DEFAULT_SCHEMA_CLASS": "drf_spectacular.openapi.AutoSchema",
    "EXCEPTION_HANDLER": "billing.api.problems.exception_handler",
    "UNAUTHENTICATED_USER": None,
    "COERCE_DECIMAL_TO_STRING": True,
    "NUM_PROXIES": 1 if BEHIND_PROXY else 0,
}
SPECTACULAR_SETTINGS = {
    "TITLE": "Usage billing API",
    "DESCRIPTION": "Record usage, ask for admission, read spend, close periods, follow invoices.",
    "VERSION": "1",
    "SERVE_INCLUDE_SCHEMA": False,
    "SWAGGER_UI_DIST": "SIDECAR",
    "SWAGGER_UI_FAVICON_HREF": "SIDECAR",
    "SERVE_AUTHENTICATION": [],
    "SERVE_PERMISSIONS": [],
    "COMPONENT_SPLIT_REQUEST": True,
    "SCHEMA_PATH_PREFIX": "/api/v1",
    "ENUM_NAME_OVERRIDES": {
        "WorkspaceStatus": "billing.models.Workspace.Status",
        "PeriodStatus": "billing.models.BillingPeriod.Status",
        "MemberRole": "billing.models.WorkspaceMember.Role",
        "CollectionMethod": "billing.models.WorkspaceBillingSettings.CollectionMethod",
        "AgentStatus": "usage.models.VoiceAgent.Status",
        "PausedReason": "usage.models.VoiceAgent.PausedReason",
        "CallStatus": "usage.models.Call.Status",
        "CallDirection": "usage.models.Call.Direction",
        "InvoiceStatus": "invoices.models.Invoice.Status",
        "ItemKind": "invoices.models.InvoiceItem.Kind",
    },
    "POSTPROCESSING_HOOKS": [
        "drf_spectacular.hooks.postprocess_schema_enums",
        "billing.api.schema.complete",
    ],
    "SWAGGER_UI_SETTINGS": {"deepLinking": True, "docExpansion": "list", "validatorUrl": None},
}
# Requests a minute for one key (or session); usage has its own, generous, limit.
API_THROTTLE_PER_MINUTE = env.whole("API_THROTTLE_PER_MINUTE", 6_000)
API_USAGE_THROTTLE_PER_MINUTE = env.whole("API_USAGE_THROTTLE_PER_MINUTE", 600_000)
API_MAX_BODY_BYTES = env.whole("API_MAX_BODY_BYTES", 16 * 2**20, least=1024)
API_MAX_UNPACKED_BYTES = env.whole("API_MAX_UNPACKED_BYTES", 32 * 2**20, least=1024)
DATA_UPLOAD_MAX_MEMORY_SIZE = API_MAX_BODY_BYTES

# Billing rules
BILLING_GRACE_HOURS = env.whole("BILLING_GRACE_HOURS", 24, most=24 * 28)
USAGE_MAX_AGE_DAYS = env.whole("USAGE_MAX_AGE_DAYS", 90, least=1, most=36_500)
USAGE_MAX_AHEAD_SECONDS = 300
INVOICE_ISSUER = env.code("INVOICE_ISSUER", "INV", longest=12)
# The unit of a resource type's quantity on invoices: "call_minutes=min,storage=GB".
RESOURCE_UNITS = env.pairs(
    "RESOURCE_UNITS",
    {"call_minutes": "min", "transcription": "min", "synthesis": "characters", "storage": "GB"},
)
ISSUER_NAME = env.text("ISSUER_NAME", "Voice Platform Inc.")
ISSUER_ADDRESS = env.text("ISSUER_ADDRESS", "100 Market Street, San Francisco, CA 94105, US")
ISSUER_TAX_ID = env.text("ISSUER_TAX_ID")
ISSUER_EMAIL = env.text("ISSUER_EMAIL", DEFAULT_FROM_EMAIL)
SITE_URL = env.text("SITE_URL", f"http://127.0.0.1:{env.whole('PORT', 8000, most=65535)}").rstrip(
    "/"
)

# Collection: days are counted from an invoice's due date, on its workspace's calendar
COLLECTION_REMINDER_DAYS = env.days("COLLECTION_REMINDER_DAYS", [-3, 1, 7, 14])
SUSPEND_AFTER_DAYS = env.whole("SUSPEND_AFTER_DAYS", 14, most=365)
# An automatic charge that failed suspends after as many days from that failure.
SUSPEND_AFTER_FAILED_CHARGE_DAYS = env.whole("SUSPEND_AFTER_FAILED_CHARGE_DAYS", 0, most=365)
RECONCILE_DAYS = env.whole("RECONCILE_DAYS", 62, least=1, most=3660)

# Stripe
_STRIPE = embedded.stripe()
STRIPE_API_BASE = _STRIPE.api_base
STRIPE_LIVE_MODE = _STRIPE.secret_key.startswith(("sk_live_", "rk_live_"))
STRIPE_SECRET_KEY = _STRIPE.secret_key
STRIPE_LIVE_SECRET_KEY = STRIPE_SECRET_KEY if STRIPE_LIVE_MODE else ""
STRIPE_TEST_SECRET_KEY = "" if STRIPE_LIVE_MODE else STRIPE_SECRET_KEY
STRIPE_API_VERSION = stripe.api_version
# A form of ours leads to Stripe's pages: checkout, the portal, and the sandbox's.
_CSP["form-action"] += [
    "https://checkout.stripe.com",
    "https://billing.stripe.com",
    STRIPE_API_BASE,
]
STRIPE_TIMEOUT_SECONDS = env.whole("STRIPE_TIMEOUT_SECONDS", 20, least=1, most=120)
# All processes together; Stripe allows 25 to an endpoint. 0: no pace of our own.
STRIPE_MAX_REQUESTS_PER_SECOND = env.whole("STRIPE_MAX_REQUESTS_PER_SECOND", 20, most=1000)
DJSTRIPE_FOREIGN_KEY_TO_FIELD = "id"
DJSTRIPE_SUBSCRIBER_MODEL = "billing.Workspace"
DJSTRIPE_WEBHOOK_VALIDATION = "verify_signature"
STRIPE_WEBHOOK_MAX_BYTES = 512 * 1024
STRIPE_WEBHOOK_REFUSALS_PER_MINUTE = env.whole("STRIPE_WEBHOOK_REFUSALS_PER_MINUTE", 60, least=1)

# Metrics: open to the machine itself; from elsewhere with this bearer token.
METRICS_TOKEN = env.text("METRICS_TOKEN")
METRICS_COLLECTORS = ["invoices.metrics.Backlog"]

# Logs and errors
LOG_LEVEL = env.text("LOG_LEVEL", "INFO").upper()
LOGGING = logs.to_console(LOG_LEVEL)
SENTRY_DSN = env.text("SENTRY_DSN")
if SENTRY_DSN:
    sentry_sdk.init(dsn=SENTRY_DSN, send_default_pii=False)
# The address is unique whatever its case, by a constraint on Lower("email").
SILENCED_SYSTEM_CHECKS = ["auth.W004"]
