"""Rules of an invoice's row, each under its name in the database."""

from django.db import models
from django.db.models import F, Q
from django.db.models.functions import Round

from billing.languages import Language
from billing.models.fields import names_an_account
from billing.money import NO_DECIMALS

INVOICE_CONSTRAINTS = [
    models.CheckConstraint(
        condition=Q(
            status__in=[
                "draft",
                "open",
                "partly_paid",
                "paid",
                "overdue",
                "void",
                "uncollectible",
            ]
        ),
        name="invoice_status_is_known",
    ),
    models.CheckConstraint(
        condition=Q(language__in=Language.values), name="invoice_language_is_known"
    ),
    models.UniqueConstraint(
        fields=["billing_period"],
        condition=Q(kind="period") & ~Q(status="void"),
        name="one_live_invoice_per_period",
    ),
    models.CheckConstraint(
        condition=Q(kind="period", billing_period__isnull=False)
        | Q(kind__in=["one_off", "correction"], billing_period__isnull=True),
        name="only_an_invoice_of_a_period_has_one",
    ),
    models.CheckConstraint(
        condition=Q(kind="correction", corrects__isnull=False)
        | ~Q(kind="correction") & Q(corrects__isnull=True),
        name="only_a_correction_corrects_an_invoice",
    ),
    models.CheckConstraint(
        condition=Q(amount=F("net") + F("tax")), name="invoice_amount_is_net_and_tax"
    ),
    models.CheckConstraint(
        condition=Q(status="void") | Q(void_reason="", unbilled_reason=""),
        name="only_a_void_invoice_says_why",
    ),
    models.CheckConstraint(condition=~Q(replaces=F("id")), name="invoice_does_not_replace_itself"),
    models.CheckConstraint(condition=Q(amount__gte=0), name="invoice_not_negative"),
    models.CheckConstraint(
        condition=Q(amount=Round("amount", 2))
        & Q(net=Round("net", 2))
        & (
            ~Q(currency__in=sorted(NO_DECIMALS)) | Q(amount=Round("amount", 0), net=Round("net", 0))
        ),
        name="invoice_amount_can_be_charged",
    ),
    models.CheckConstraint(
        condition=Q(status="paid", paid_at__isnull=False)
        | (~Q(status="paid") & Q(paid_at__isnull=True)),
        name="only_a_paid_invoice_has_been_paid",
    ),
    models.CheckConstraint(
        condition=Q(suspends_since__isnull=True) | Q(status__in=["overdue", "uncollectible"]),
        name="only_an_unpaid_invoice_suspends_its_workspace",
    ),
    models.CheckConstraint(
        condition=Q(carried_over__gte=0, carried_over__lte=F("amount"), carried_in__gte=0),
        name="no_more_is_carried_over_than_billed",
    ),
    models.CheckConstraint(
        condition=Q(amount_refunded__gte=0, amount_refunded__lte=F("amount") + F("carried_in")),
        name="refunds_within_the_amount",
    ),
    models.CheckConstraint(
        condition=Q(
            amount_paid__gte=0,
            credit_used__gte=0,
            amount_credited__gte=0,
            amount__gte=F("amount_paid") + F("credit_used") + F("amount_credited"),
        ),
        name="invoice_settled_within_its_amount",
    ),
    models.CheckConstraint(
        condition=~Q(status="paid")
        | Q(amount=F("amount_paid") + F("credit_used") + F("amount_credited")),
        name="a_paid_invoice_is_settled_in_full",
    ),
    models.CheckConstraint(
        condition=~Q(status="void") | Q(amount_paid=0, credit_used=0, amount_credited=0),
        name="nothing_is_paid_of_a_void_invoice",
    ),
    models.CheckConstraint(
        # Either may be below zero where a credit at another rate is on the invoice.
        condition=(Q(net_credited=0) | Q(net_credited__gt=0, net_credited__lte=F("net")))
        & (Q(tax_credited=0) | Q(tax_credited__gt=0, tax_credited__lte=F("tax")))
        & Q(amount__gte=F("net_credited") + F("tax_credited")),
        name="no_more_is_credited_than_billed",
    ),
    names_an_account("invoice_names_a_stripe_account"),
]
