"""Settings of the HTTP API: who may call, how often, how much, and its description."""

from config import env

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
        "InvoiceKind": "invoices.models.Invoice.Kind",
        "ItemKind": "invoices.models.InvoiceItem.Kind",
        "ChargeKind": "billing.models.PeriodCharge.Kind",
        "CreditNoteReason": "invoices.models.CreditNote.Reason",
        "DisputeReason": "invoices.payments.models.CallDispute.Reason",
        "ManualItemKind": "billing.models.ManualItem.Kind",
        "SalesTaxStatus": "invoices.models.TrialInvoice.TaxStatus",
        "ManualItemStatus": "billing.models.ManualItem.Status",
    },
    "POSTPROCESSING_HOOKS": [
        "drf_spectacular.hooks.postprocess_schema_enums",
        "billing.api.schema.complete",
    ],
    "SWAGGER_UI_SETTINGS": {"deepLinking": True, "docExpansion": "list", "validatorUrl": None},
}
# Requests a minute for one key (or session); usage has its own, generous, limit.
API_THROTTLE_PER_MINUTE = env.integer("API_THROTTLE_PER_MINUTE", 6_000)
API_USAGE_THROTTLE_PER_MINUTE = env.integer("API_USAGE_THROTTLE_PER_MINUTE", 600_000)
API_MAX_BODY_BYTES = env.integer("API_MAX_BODY_BYTES", 16 * 2**20, min=1024)
API_MAX_UNPACKED_BYTES = env.integer("API_MAX_UNPACKED_BYTES", 32 * 2**20, min=1024)
DATA_UPLOAD_MAX_MEMORY_SIZE = API_MAX_BODY_BYTES
# In each web worker, for what Django answers.
WEB_THREADS = env.integer("WEB_THREADS", 16, min=1, max=256)
