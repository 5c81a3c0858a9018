"""Settings that hold everywhere, read from environment variables; `docs/settings.md` lists them."""

from pathlib import Path
from typing import Any

import sentry_sdk
from csp.constants import NONE, SELF, UNSAFE_EVAL, UNSAFE_INLINE
from redis.backoff import NoBackoff
from redis.exceptions import ConnectionError as RedisConnectionError
from redis.retry import Retry

from config import addresses, env, logs, safety  # noqa: F401 - safety registers its checks
from config.database.base import WatchedConnection
from config.settings.api import *
from config.settings.billing import *
from config.settings.paths import *
from config.settings.tasks import *
from config.unfold import UNFOLD  # noqa: F401 - is a setting

# Security
DEBUG = env.flag("DEBUG", False)
# Settings of production may have Stripe's test mode or a sandbox, and plain HTTP.
STAGING = env.flag("STAGING", False)
SECRET_KEY = env.text("SECRET_KEY")
# Those it was before: what they signed stays good.
SECRET_KEY_FALLBACKS = env.csv("SECRET_KEY_FALLBACKS")
ALLOWED_HOSTS = env.csv("ALLOWED_HOSTS", ["localhost", "127.0.0.1", "[::1]"])
CSRF_TRUSTED_ORIGINS = env.csv("CSRF_TRUSTED_ORIGINS")
HTTPS = env.flag("HTTPS", False)
BEHIND_PROXY = env.flag("BEHIND_PROXY", False)
TRUSTED_PROXIES = env.networks(
    "TRUSTED_PROXIES",
    ["127.0.0.0/8", "::1", "10.0.0.0/8", "172.16.0.0/12", "192.168.0.0/16", "fc00::/7"],
)
SECURE_SSL_REDIRECT = HTTPS
SESSION_COOKIE_SECURE = HTTPS
CSRF_COOKIE_SECURE = HTTPS
SESSION_COOKIE_HTTPONLY = True
SESSION_COOKIE_AGE = 14 * 24 * 3600
SESSION_ENGINE = "billing.sessions"
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
    # A form of ours leads to Stripe's pages: checkout, the portal, and the sandbox's.
    "form-action": [
        SELF,
        "https://checkout.stripe.com",
        "https://billing.stripe.com",
        STRIPE_API_BASE,
    ],
    "base-uri": [NONE],
    "frame-ancestors": [NONE],
}
CONTENT_SECURITY_POLICY = {"DIRECTIVES": _CSP}
# Unfold's scripts build functions from texts in its pages, and its pages have styles in them.
ADMIN_CONTENT_SECURITY_POLICY = {
    "script-src": [SELF, UNSAFE_EVAL],
    "style-src": [SELF, UNSAFE_INLINE],
    "form-action": [SELF],
}

# Applications
INSTALLED_APPS = [
    # Without a site of its own: ours is in `config.admin_site`.
    "unfold.apps.BasicAppConfig",
    "unfold.contrib.filters",
    "config.apps.Admin",
    "django.contrib.auth",
    "django.contrib.contenttypes",
    "django.contrib.sessions",
    "django.contrib.messages",
    "whitenoise.runserver_nostatic",
    "django.contrib.staticfiles",
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
    "django_otp",
    "django_otp.plugins.otp_totp",
    "django_otp.plugins.otp_static",
    "billing",
    "usage",
    "invoices",
    "invoices.payments",
    "analytics",
]

MIDDLEWARE = [
    "config.metrics.RequestMetrics",
    "config.middleware.ProbesMiddleware",
    "django.middleware.security.SecurityMiddleware",
    "whitenoise.middleware.WhiteNoiseMiddleware",
    "config.middleware.CompressPagesMiddleware",
    "csp.middleware.CSPMiddleware",
    "config.middleware.ResponseHeadersMiddleware",
    "config.logs.RequestLogging",
    "django.contrib.sessions.middleware.SessionMiddleware",
    "config.middleware.UnreadableAddressMiddleware",
    "config.middleware.SlashForReadersMiddleware",
    "django.middleware.csrf.CsrfViewMiddleware",
    "django.contrib.auth.middleware.AuthenticationMiddleware",
    "billing.language_middleware.LanguageMiddleware",
    "django_otp.middleware.OTPMiddleware",
    "billing.second_factor.SecondFactorMiddleware",
    "django.contrib.messages.middleware.MessageMiddleware",
    "django.middleware.clickjacking.XFrameOptionsMiddleware",
    "django_htmx.middleware.HtmxMiddleware",
    "axes.middleware.AxesMiddleware",
    "billing.audit.AuditMiddleware",
]

ROOT_URLCONF = "config.urls"
WSGI_APPLICATION = "config.wsgi.application"
FORM_RENDERER = "billing.form_renderer.FormRenderer"
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
            "builtins": ["billing.templatetags.frame", "billing.templatetags.addresses"],
            "libraries": {
                "i18n": "billing.templatetags.translations",
                "static": "billing.templatetags.addresses",
            },
        },
    }
]

# Database
DATABASES = {
    "default": addresses.postgres("DATABASE_URL", default="postgresql:///billing")
    | {"CONN_MAX_AGE": 0}
}
# Threads share a few warm connections; the hot paths ask for prepared statements.
DATABASES["default"]["OPTIONS"] |= {
    "pool": {
        "min_size": env.integer("DATABASE_POOL_MIN", 1, max=100),
        "max_size": env.integer("DATABASE_POOL_MAX", 20, min=1, max=200),
        "timeout": 15,
        # Until then a lost connection is tried again less and less often, for whoever waits.
        "reconnect_timeout": 20,
        "connection_class": WatchedConnection,
    },
    "prepare_threshold": 5,
}
# A streaming replica for reads that may lag (`billing.replica`).
if env.is_set("DATABASE_REPLICA_URL"):
    DATABASES["replica"] = addresses.postgres("DATABASE_REPLICA_URL", default="") | {
        "CONN_MAX_AGE": 0,
        "TEST": {"MIRROR": "default"},
    }
    DATABASES["replica"]["OPTIONS"] |= {
        "pool": {**DATABASES["default"]["OPTIONS"]["pool"], "min_size": 0, "timeout": 3}
    }
    DATABASE_ROUTERS = ["billing.replica.ReplicaRouter"]
DATABASE_REPLICA_MAX_LAG_SECONDS = env.integer("DATABASE_REPLICA_MAX_LAG_SECONDS", 60)
DEFAULT_AUTO_FIELD = "django.db.models.BigAutoField"
MIGRATION_MODULES = {"djstripe": "config.djstripe_migrations"}

# Redis: broker, cache, throttles
CELERY_BROKER_URL = addresses.redis("REDIS_URL", default="redis://localhost:6379/0")
CACHES: dict[str, dict[str, Any]] = {
    "default": {
        "BACKEND": "config.cache.ForgivingRedisCache",
        # Clearing a cache flushes its whole database, which must not be the queue's.
        "LOCATION": addresses.redis("CACHE_URL", default="")
        or addresses.next_database(CELERY_BROKER_URL),
        "KEY_PREFIX": "billing",
        "OPTIONS": {"socket_timeout": 1, "retry": Retry(NoBackoff(), 1, (RedisConnectionError,))},
    },
}
# People
AUTH_USER_MODEL = "billing.User"
AUTHENTICATION_BACKENDS = [
    "axes.backends.AxesStandaloneBackend",
    "billing.sign_in_backend.SignInBackend",
]
AUTH_PASSWORD_VALIDATORS = [
    {"NAME": "django.contrib.auth.password_validation.UserAttributeSimilarityValidator"},
    {"NAME": "django.contrib.auth.password_validation.MinimumLengthValidator"},
    {"NAME": "django.contrib.auth.password_validation.CommonPasswordValidator"},
    {"NAME": "django.contrib.auth.password_validation.NumericPasswordValidator"},
]
# Staff sign in with a password and a code.
STAFF_SECOND_FACTOR = env.flag("STAFF_SECOND_FACTOR", True)
OTP_TOTP_ISSUER = ISSUER_NAME
LOGIN_URL = "/login/"
LOGIN_REDIRECT_URL = "/"
LOGOUT_REDIRECT_URL = "/login/"
AXES_ENABLE_ADMIN = False
AXES_FAILURE_LIMIT = 8
AXES_COOLOFF_TIME = 0.25  # hours
AXES_LOCKOUT_PARAMETERS = [["username", "ip_address"]]
AXES_HANDLER = "billing.services.sign_in.Lockout"
SIGN_IN_FAILURES_PER_ADDRESS = env.integer("SIGN_IN_FAILURES_PER_ADDRESS", 50, min=8)
# Who is refused only because of others at the same address does not make it last longer.
AXES_RESET_COOL_OFF_ON_FAILURE_DURING_LOCKOUT = False
AXES_RESET_ON_SUCCESS = True
AXES_LOCKOUT_TEMPLATE = "429.html"
# The name of the field in forms and credentials: by default it would be looked for as "email".
AXES_USERNAME_FORM_FIELD = "username"
AXES_USERNAME_CALLABLE = "billing.services.sign_in.username"
AXES_CLIENT_IP_CALLABLE = "billing.services.sign_in.counted_address"

# Language, time, files
LANGUAGE_CODE = "en"
LANGUAGES = [
    ("en", "English"),
    ("de", "Deutsch"),
    ("fr", "Français"),
    ("es", "Español"),
    ("ja", "日本語"),
]
LOCALE_PATHS = [BASE_DIR / "locale"]
TIME_ZONE = "UTC"
USE_TZ = True
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

# Metrics: open to the machine itself; from elsewhere with this bearer token.
METRICS_TOKEN = env.text("METRICS_TOKEN")
METRICS_COLLECTORS = [
    "billing.metrics.Clocks",
    "usage.metrics.Heartbeats",
    "invoices.metrics.Backlog",
    "invoices.payments.metrics.Webhooks",
]

# Logs and errors
LOG_LEVEL = env.text(
    "LOG_LEVEL",
    "INFO",
    form="(?i)(DEBUG|INFO|WARNING|ERROR|CRITICAL)$",
    wanted="DEBUG, INFO, WARNING, ERROR or CRITICAL",
).upper()
LOGGING = logs.to_console(LOG_LEVEL)
SENTRY_DSN = env.address("SENTRY_DSN", "")
if SENTRY_DSN:
    sentry_sdk.init(dsn=SENTRY_DSN, send_default_pii=False)
SILENCED_SYSTEM_CHECKS = [
    "auth.W004",  # the address is unique whatever its case, by a constraint on Lower("email")
    "templates.W003",  # our `i18n` and `static` take the place of Django's on purpose (ADR 52, 59)
]
