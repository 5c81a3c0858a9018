"""Numbers of invoices and credit notes, without a gap."""

from django.db import models


class InvoiceSequence(models.Model):
    """The last invoice number given out by an issuer in a year.

    Its row is locked while an invoice takes its number, inside the finalizing transaction: a
    number is used if and only if that transaction commits, so there are no gaps.
    """

    issuer = models.CharField(max_length=16)
    year = models.PositiveSmallIntegerField()
    last_number = models.PositiveIntegerField(default=0)

    class Meta:
        constraints = [
            models.UniqueConstraint(fields=["issuer", "year"], name="one_sequence_per_year"),
        ]

    def __str__(self) -> str:
        return f"{self.issuer}-{self.year}-{self.last_number:06d}"
