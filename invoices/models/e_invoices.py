"""E-invoices: what a document says to software, frozen with it, and its delivery."""

import uuid
from typing import ClassVar

from django.db import models
from django.db.models import Q
from django.utils import timezone as clock

from billing.models import DurableWork, Workspace
from invoices.models.credit_notes import CreditNote
from invoices.models.invoices import Invoice


class EInvoice(models.Model):
    """The e-invoice of an invoice or a credit note.

    `parties` is what the document's own rows do not hold: seller, buyer and their references, as
    they were then. `xml` is made of both; every format of the same document is.
    """

    id = models.UUIDField(primary_key=True, default=uuid.uuid4, editable=False)
    workspace = models.ForeignKey(Workspace, on_delete=models.PROTECT, related_name="e_invoices")
    invoice = models.OneToOneField(
        Invoice, on_delete=models.CASCADE, null=True, blank=True, related_name="e_invoice"
    )
    credit_note = models.OneToOneField(
        CreditNote, on_delete=models.CASCADE, null=True, blank=True, related_name="e_invoice"
    )
    format = models.CharField(max_length=12, choices=Workspace.EInvoiceFormat)
    parties = models.JSONField()
    xml = models.TextField()
    # Which rules it was held against before the document was issued.
    rules = models.CharField(max_length=200)
    created_at = models.DateTimeField(default=clock.now, editable=False)

    class Meta:
        ordering = ["-created_at"]
        verbose_name = "e-invoice"
        constraints: ClassVar = [
            models.CheckConstraint(
                condition=Q(invoice__isnull=False, credit_note__isnull=True)
                | Q(invoice__isnull=True, credit_note__isnull=False),
                name="e_invoice_is_of_one_document",
            ),
            models.CheckConstraint(
                condition=Q(format__in=["facturx", "xrechnung", "peppol"]),
                name="e_invoice_has_a_format",
            ),
            models.CheckConstraint(condition=~Q(xml=""), name="e_invoice_has_its_xml"),
        ]

    def __str__(self) -> str:
        return f"{self.get_format_display()} of {self.number}"

    @classmethod
    def of(cls, document: Invoice | CreditNote) -> "EInvoice | None":
        """The one that a document was issued with."""
        if isinstance(document, Invoice):
            return cls._default_manager.filter(invoice=document).first()
        return cls._default_manager.filter(credit_note=document).first()

    @property
    def document(self) -> Invoice | CreditNote:
        document = self.invoice or self.credit_note
        assert document is not None
        return document

    @property
    def number(self) -> str:
        return str(self.document.number)


class EInvoiceDelivery(DurableWork):
    """Bringing an e-invoice to its receiver, where an adapter for that is set."""

    e_invoice = models.OneToOneField(
        EInvoice, on_delete=models.CASCADE, primary_key=True, related_name="delivery"
    )
    # By which the receiver's side knows it.
    reference = models.CharField(max_length=300, blank=True)

    class Meta(DurableWork.Meta):
        verbose_name = "delivery of an e-invoice"
        verbose_name_plural = "deliveries of e-invoices"

    def __str__(self) -> str:
        return f"Delivery of {self.e_invoice_id}"

    def about(self) -> tuple[str, models.Model | None, Workspace | None]:
        document = self.e_invoice.document
        return f"E-invoice of {document.number}", document, self.e_invoice.workspace

    @classmethod
    def with_subjects(cls) -> "models.QuerySet[EInvoiceDelivery]":
        return cls._default_manager.select_related(
            "e_invoice__workspace", "e_invoice__invoice", "e_invoice__credit_note"
        )
