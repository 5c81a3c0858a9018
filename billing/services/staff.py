"""Groups of staff, and what each may do in the admin."""

from django.contrib.auth.models import Group, Permission
from django.db import transaction
from django.db.models import Q

FINANCE = "finance"
FINANCE_READ_ONLY = "finance-read-only"
SUPPORT = "support"
# Without these, nobody sees finance's own pages: a customer's, reports, the month end.
SEES_FIGURES = ("billing.view_billingperiod", "invoices.view_invoice", "usage.view_usagerollup")
_SEES_ALL_OF = ("billing", "usage", "invoices", "payments")
# Stripe's copies that have a page; keys of its API are not among them.
_SEES_OF_STRIPE = """
    customer invoice charge paymentintent paymentmethod refund dispute subscription event
    webhookendpoint webhookeventtrigger
""".split()
# What is frozen has no form: "change" of it is the right to retry, resend, finalize, void, ...
_MAY = {
    "billing": {
        "workspace": "add change",
        "workspacebillingsettings": "change",
        "workspacemember": "add change delete",
        "subscriptiontier": "add change",
        "tierprice": "add change delete",
        "platformsetting": "change",
        "addon": "add change",
        "commitment": "add change",
        "discount": "add change",
        "coupon": "add change",
        "manualitem": "change",
        "ratecard": "add change",
        "ratecardversion": "change",
        "ratecardassignment": "add change",
        "rate": "add change delete",
        "priceoverride": "add change",
        "providercost": "add change",
        "exchangerate": "add change",
        "issuingentity": "add change",
        "issuerbankaccount": "add change delete",
        "taxregistration": "add change",
        "taxrate": "add change",
        "taxnumbercheck": "change",
        "billingperiod": "change",
        "servicekey": "add change",
        "email": "change",
        "ownerview": "open",
    },
    "usage": {"voiceagent": "change"},
    "invoices": {"invoice": "change", "creditnote": "change"},
    "payments": {
        "calldispute": "change",
        "chargeback": "change",
        "chargebackevidence": "change",
        "creditentry": "add",
        "creditnotesync": "change",
        "payment": "add",
        "reportedpayment": "change",
        "difference": "change",
        "invoiceaction": "change",
        "reconciliationrun": "change",
        "stripecustomer": "change",
        "stripesync": "change",
    },
}

# Who answers customers sees no price, cost, margin, key or log.
_SUPPORT_SEES = {
    "billing": "workspace workspacemember billingperiod limitalert email",
    "usage": "voiceagent call callrollup budget budgetevent",
    "invoices": "invoice invoiceitem invoiceevent",
}
_SUPPORT_MAY = {"billing": {"email": "change"}, "usage": {"voiceagent": "change"}}


def ensure_staff_groups() -> None:
    """The groups of staff, with every right they need; what was added to one by hand stays."""
    ensure_finance_group()
    _ensure_group(FINANCE_READ_ONLY, _seen_by_finance())
    sees = Q()
    for app, models in _SUPPORT_SEES.items():
        codenames = [f"view_{model}" for model in models.split()]
        sees |= Q(content_type__app_label=app, codename__in=codenames)
    _ensure_group(SUPPORT, sees | _doing(_SUPPORT_MAY))


def ensure_finance_group() -> Group:
    """The group `finance`.

    Its members see everything and may act on billing. They cannot make users, groups or staff,
    and so cannot give themselves more.
    """
    return _ensure_group(FINANCE, _seen_by_finance() | _doing(_MAY))


def _seen_by_finance() -> Q:
    of_stripe = [f"view_{model}" for model in _SEES_OF_STRIPE]
    return Q(content_type__app_label__in=_SEES_ALL_OF, codename__startswith="view_") | Q(
        content_type__app_label="djstripe", codename__in=of_stripe
    )


def _doing(rights: dict[str, dict[str, str]]) -> Q:
    wanted = Q()
    for app, models in rights.items():
        for model, verbs in models.items():
            codenames = [f"{verb}_{model}" for verb in verbs.split()]
            wanted |= Q(content_type__app_label=app, codename__in=codenames)
    return wanted


def _ensure_group(name: str, wanted: Q) -> Group:
    with transaction.atomic():
        group, _ = Group.objects.get_or_create(name=name)
        group.permissions.add(*Permission.objects.filter(wanted))
    return group
