"""Months that finance has closed, as they stood: signed off by one person, confirmed by another."""

import uuid

from django.db import models
from django.db.models import Q
from django.utils import timezone as clock


class MonthRecord(models.Model):
    """What a month's end came to when it was signed off. Nothing of it changes afterwards but that,
    once, a second person confirms it; a month has one that is confirmed.

    `snapshot` has its `steps` (title, state, detail) and `sums` by currency, amounts as texts;
    `digest` is of both.
    """

    id = models.UUIDField(primary_key=True, default=uuid.uuid4, editable=False)
    month = models.DateField(help_text="Its first day.")
    snapshot = models.JSONField()
    digest = models.CharField(max_length=64)
    is_complete = models.BooleanField(help_text="Every step was done.")
    reason = models.CharField(
        max_length=500, blank=True, help_text="Why it is closed with steps that are not done."
    )
    signed_by = models.CharField(max_length=254)
    signed_at = models.DateTimeField(default=clock.now)
    confirmed_by = models.CharField(max_length=254, blank=True)
    confirmed_at = models.DateTimeField(null=True, blank=True)

    class Meta:
        ordering = ["-month", "-signed_at"]
        constraints = [
            models.CheckConstraint(
                condition=Q(month__day=1) & ~Q(signed_by="") & ~Q(digest=""),
                name="a_month_record_says_who_signed_what",
            ),
            models.CheckConstraint(
                condition=Q(is_complete=True) | ~Q(reason=""),
                name="a_month_closed_with_open_steps_says_why",
            ),
            models.CheckConstraint(
                condition=Q(confirmed_by="", confirmed_at__isnull=True)
                | ~Q(confirmed_by="") & Q(confirmed_at__isnull=False),
                name="a_confirmed_month_has_its_second_person",
            ),
            models.CheckConstraint(
                condition=~Q(confirmed_by__iexact=models.F("signed_by")),
                name="a_month_is_closed_by_two_people",
            ),
            models.UniqueConstraint(
                fields=["month"],
                condition=Q(confirmed_at__isnull=False),
                name="one_confirmed_record_per_month",
            ),
        ]

    def __str__(self) -> str:
        return f"Record of {self.month:%B %Y}"

    @property
    def is_confirmed(self) -> bool:
        return self.confirmed_at is not None
