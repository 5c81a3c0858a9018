"""Settings of the business: who bills, by which rules, through which Stripe, by which mail."""

import stripe

from config import env, stripe_keys
from config.settings.paths import LOCAL_DIR

# E-mail
DEFAULT_FROM_EMAIL = env.text("DEFAULT_FROM_EMAIL", "billing@voice-platform.example")
FINANCE_EMAILS = env.csv("FINANCE_EMAILS")
EMAIL_HOST = env.text("EMAIL_HOST")
EMAIL_PORT = env.integer("EMAIL_PORT", 587, min=1, max=65535)
EMAIL_HOST_USER = env.text("EMAIL_HOST_USER")
EMAIL_HOST_PASSWORD = env.text("EMAIL_HOST_PASSWORD")
EMAIL_USE_TLS = env.flag("EMAIL_USE_TLS", True)
EMAIL_TIMEOUT = 10
EMAIL_FILE_PATH = LOCAL_DIR / "mail"
EMAIL_BACKEND = (
    "billing.smtp.EmailBackend"
    if EMAIL_HOST
    else "django.core.mail.backends.filebased.EmailBackend"
)

# Rules
BILLING_GRACE_HOURS = env.integer("BILLING_GRACE_HOURS", 24, max=24 * 28)
CLOSE_NEEDS_APPROVAL = env.flag("CLOSE_NEEDS_APPROVAL", False)
TRIAL_CHANGE_PERCENTAGE = env.integer("TRIAL_CHANGE_PERCENTAGE", 30, max=1000)
USAGE_MAX_AGE_DAYS = env.integer("USAGE_MAX_AGE_DAYS", 90, min=1, max=36_500)
USAGE_MAX_AHEAD_SECONDS = 300
# Further than this from the database's clock, or set by more, a machine closes nothing; 0: any.
CLOCK_TOLERANCE_SECONDS = env.integer("CLOCK_TOLERANCE_SECONDS", 120, min=0, max=86_400)
# A unit cost further from the cost card than this is counted as drift.
COST_TOLERANCE_PERCENTAGE = env.percentage("COST_TOLERANCE_PERCENTAGE", "1")
# Lines by hand above this, in whatever currency, wait for a second person.
MANUAL_ITEM_APPROVAL_ABOVE = env.integer("MANUAL_ITEM_APPROVAL_ABOVE", 500, min=0)
# Whoever drafted a credit note over more than this, in its own currency, does not approve it.
SECOND_PERSON_ABOVE = env.integer("SECOND_PERSON_ABOVE", 1000, max=10**9)
# What closed months owe back becomes credit notes also where they were billed without a tax.
UNTAXED_REVERSALS_AS_CREDIT_NOTES = env.flag("UNTAXED_REVERSALS_AS_CREDIT_NOTES", False)
# Disputes of calls up to this, in whatever currency, are approved by rule: so many a month for each
# workspace. Without an amount none is.
DISPUTE_RULE_AMOUNT = env.integer("DISPUTE_RULE_AMOUNT", 0, max=10**6)
DISPUTE_RULE_PER_MONTH = env.integer("DISPUTE_RULE_PER_MONTH", 3, max=1000)
INVOICE_ISSUER = env.code("INVOICE_ISSUER", "INV", longest=12)
# The unit of a resource type's quantity on invoices: "call_minutes=min,storage=GB".
RESOURCE_UNITS = env.pairs(
    "RESOURCE_UNITS",
    {"call_minutes": "min", "transcription": "min", "synthesis": "characters", "storage": "GB"},
)
ISSUER_NAME = env.text("ISSUER_NAME", "Voice Platform Inc.")
ISSUER_ADDRESS = env.text("ISSUER_ADDRESS", "100 Market Street, San Francisco, CA 94105, US")
ISSUER_TAX_ID = env.text("ISSUER_TAX_ID")
# A class that brings e-invoices to their receivers; none by default.
E_INVOICE_DELIVERY = env.text("E_INVOICE_DELIVERY")
E_INVOICE_DIRECTORY = env.text("E_INVOICE_DIRECTORY")
# The register of the EU's VAT numbers; "off" where numbers are checked by their form only.
_vies = env.text(
    "VIES_URL",
    "https://ec.europa.eu/taxation_customs/vies/rest-api",
    form=r"off$|https?://[^\s?#]+$",
    wanted="an address that begins with http:// or https://, or off",
)
VIES_URL = "" if _vies == "off" else _vies.rstrip("/")
VIES_TIMEOUT_SECONDS = env.integer("VIES_TIMEOUT_SECONDS", 10, min=1, max=120)
# Webhooks to addresses of customers: private networks, and plain HTTP into them, by name only.
WEBHOOK_TIMEOUT_SECONDS = env.integer("WEBHOOK_TIMEOUT_SECONDS", 5, min=1, max=60)
WEBHOOK_PRIVATE_NETWORKS = env.networks("WEBHOOK_PRIVATE_NETWORKS", [])
TAX_NUMBER_CHECK_DAYS = env.integer("TAX_NUMBER_CHECK_DAYS", 30, min=1, max=3650)
ISSUER_EMAIL = env.text("ISSUER_EMAIL", DEFAULT_FROM_EMAIL)
_PORT = env.integer("PORT", 8000, min=1, max=65535)
SITE_URL = env.address("SITE_URL", f"http://127.0.0.1:{_PORT}")

# Collection: days are counted from an invoice's due date, on its workspace's calendar
COLLECTION_REMINDER_DAYS = env.integers("COLLECTION_REMINDER_DAYS", [-3, 1, 7, 14])
# Days after its issue on which an unpaid automatic invoice is charged again.
CHARGE_RETRY_DAYS = env.integers("CHARGE_RETRY_DAYS", [1, 3, 5, 7, 14, 21, 28])
SUSPEND_AFTER_DAYS = env.integer("SUSPEND_AFTER_DAYS", 14, max=365)
# An automatic charge that failed suspends after as many days from that failure.
SUSPEND_AFTER_FAILED_CHARGE_DAYS = env.integer("SUSPEND_AFTER_FAILED_CHARGE_DAYS", 0, max=365)
RECONCILE_DAYS = env.integer("RECONCILE_DAYS", 62, min=1, max=3660)

# Terms and conditions as PDF, for banks: <code of the issuing entity>.pdf, else terms.pdf
TERMS_DIRECTORY = env.text("TERMS_DIRECTORY")

# Retention
EMAIL_KEEP_DAYS = env.integer("EMAIL_KEEP_DAYS", 400, min=30, max=36_500)
INVOICE_KEEP_YEARS = env.integer("INVOICE_KEEP_YEARS", 10, min=1, max=100)

# Proof: the first key makes new seals, all of them verify; without any, one derived from SECRET_KEY
SEAL_KEYS = env.csv("SEAL_KEYS")
SEAL_ANCHOR_FILE = env.text("SEAL_ANCHOR_FILE")
SEAL_ANCHOR_EMAIL = env.text("SEAL_ANCHOR_EMAIL")
SEAL_ANCHOR_URL = env.text(
    "SEAL_ANCHOR_URL", form=r"https?://\S+$", wanted="an address that begins with https://"
)

# Stripe
STRIPE_SECRET_KEY = env.text(
    "STRIPE_SECRET_KEY", form="[sr]k_", wanted="a secret key, which begins with sk_ or rk_"
)
# Further accounts by name, which issuing entities choose: STRIPE_SECRET_KEY_<NAME> has each key.
STRIPE_ACCOUNT_KEYS = stripe_keys.further(env.csv("STRIPE_ACCOUNTS"), default_key=STRIPE_SECRET_KEY)
STRIPE_API_BASE = env.address("STRIPE_API_BASE", "https://api.stripe.com")
STRIPE_LIVE_MODE = stripe_keys.is_live(STRIPE_SECRET_KEY)
STRIPE_LIVE_SECRET_KEY = STRIPE_SECRET_KEY if STRIPE_LIVE_MODE else ""
STRIPE_TEST_SECRET_KEY = "" if STRIPE_LIVE_MODE else STRIPE_SECRET_KEY
# What Stripe Tax knows each tax class as: "standard=txcd_10103001,services=txcd_20030000".
STRIPE_TAX_CODES = env.pairs("STRIPE_TAX_CODES", {"standard": "txcd_10103001"})
STRIPE_API_VERSION = stripe.api_version
STRIPE_TIMEOUT_SECONDS = env.integer("STRIPE_TIMEOUT_SECONDS", 20, min=1, max=120)
# All processes together; Stripe allows 25 to an endpoint. 0: no pace of our own.
STRIPE_MAX_REQUESTS_PER_SECOND = env.integer("STRIPE_MAX_REQUESTS_PER_SECOND", 20, max=1000)
DJSTRIPE_FOREIGN_KEY_TO_FIELD = "id"
DJSTRIPE_SUBSCRIBER_MODEL = "billing.Workspace"
DJSTRIPE_WEBHOOK_VALIDATION = "verify_signature"
STRIPE_WEBHOOK_MAX_BYTES = 512 * 1024
STRIPE_WEBHOOK_REFUSALS_PER_MINUTE = env.integer("STRIPE_WEBHOOK_REFUSALS_PER_MINUTE", 60, min=1)
