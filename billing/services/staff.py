"""Rights of finance staff in the admin."""

from django.contrib.auth.models import Group, Permission
from django.db import transaction
from django.db.models import Q

FINANCE = "finance"
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
        "ratecard": "add change",
        "ratecardversion": "change",
        "ratecardassignment": "add change",
        "rate": "add change delete",
        "priceoverride": "add change",
        "providercost": "add change",
        "exchangerate": "add change",
        "billingperiod": "change",
        "servicekey": "add change",
        "email": "change",
    },
    "usage": {"voiceagent": "change"},
    "invoices": {"invoice": "change"},
    "payments": {"difference": "change", "reconciliationrun": "change"},
}


def ensure_finance_group() -> Group:
    """The group `finance`, with every right it needs; what was added to it by hand stays.

    Its members see everything and may act on billing. They cannot make users, groups or staff,
    and so cannot give themselves more.
    """
    wanted = Q(content_type__app_label__in=_SEES_ALL_OF, codename__startswith="view_")
    wanted |= Q(
        content_type__app_label="djstripe",
        codename__in=[f"view_{model}" for model in _SEES_OF_STRIPE],
    )
    for app, models in _MAY.items():
        for model, verbs in models.items():
            wanted |= Q(
                content_type__app_label=app,
                codename__in=[f"{verb}_{model}" for verb in verbs.split()],
            )
    with transaction.atomic():
        group, _ = Group.objects.get_or_create(name=FINANCE)
        group.permissions.add(*Permission.objects.filter(wanted))
    return group
