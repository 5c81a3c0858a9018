"""Admin page of the e-mail outbox: every message readable, and sent again on demand."""

from typing import Any
from uuid import UUID

from django.contrib import admin
from django.db.models import QuerySet
from django.http import FileResponse, Http404, HttpRequest, HttpResponseBase
from django.urls import URLPattern, path, reverse
from django.utils import timezone as clock
from django.utils.html import format_html, format_html_join
from unfold.contrib.filters.admin import AutocompleteSelectFilter, RangeDateTimeFilter
from unfold.decorators import display

from billing.admin.base import ExactTextFilter, FrozenAdmin, asking
from billing.admin.bulk import Outlook, bulk
from billing.models import Email, EmailAttachment
from billing.services.emails import require_text, resend

_STATES = {
    Email.Status.WAITING: "Queued",
    Email.Status.BLOCKED: "Not delivered",
    Email.Status.DONE: "Sent",
    Email.Status.FAILED: "Given up",
}
_LABELS = {"Queued": "info", "Sent": "success", "Not delivered": "danger", "Given up": "warning"}


@admin.register(Email)
class EmailAdmin(FrozenAdmin):
    list_display = ("requested_at", "subject", "to", "kind", "state", "attempts", "finished_at")
    list_filter = (
        "status",
        ("kind", ExactTextFilter),
        ("workspace", AutocompleteSelectFilter),
        ("requested_at", RangeDateTimeFilter),
    )
    search_fields = ("subject", "recipients", "workspace__name", "key")
    fields = (
        ("subject", "state"),
        ("to", "workspace", "kind"),
        ("requested_at", "finished_at", "attempts", "next_attempt_at"),
        "last_error",
        "files",
        "body",
        "preview",
    )
    actions = ("send_selected_again",)
    actions_detail = ("send_again",)

    def get_queryset(self, request: HttpRequest) -> QuerySet[Email]:
        emails: QuerySet[Email] = super().get_queryset(request)
        page = request.resolver_match.url_name if request.resolver_match else None
        return emails.defer("text", "html") if page == "billing_email_changelist" else emails

    def get_urls(self) -> list[URLPattern]:
        attachment = self.admin_site.admin_view(self.attachment)
        return [
            path("attachments/<int:attachment_id>/", attachment, name="billing_email_attachment"),
            *super().get_urls(),
        ]

    def attachment(self, request: HttpRequest, attachment_id: int) -> HttpResponseBase:
        if not self.has_view_permission(request):
            raise Http404
        found = EmailAttachment.objects.filter(pk=attachment_id).first()
        if found is None:
            raise Http404
        return FileResponse(
            iter([bytes(found.content)]), filename=found.filename, content_type=found.media_type
        )

    @display(description="To")
    def to(self, email: Email) -> str:
        return ", ".join(email.recipients)

    @display(description="Status", ordering="status", label=_LABELS)
    def state(self, email: Email) -> str:
        return _STATES[Email.Status(email.status)]

    @display(description="Attachments")
    def files(self, email: Email) -> str:
        return (
            format_html_join(
                ", ",
                '<a class="text-primary-600 dark:text-primary-500" href="{}">{}</a>',
                (
                    (reverse("admin:billing_email_attachment", args=[file_id]), filename)
                    for file_id, filename in email.attachments.values_list("pk", "filename")
                ),
            )
            or "–"
        )

    @display(description="Text")
    def body(self, email: Email) -> str:
        return format_html('<div class="fin-text">{}</div>', email.text)

    @display(description="As shown")
    def preview(self, email: Email) -> str:
        if not email.html:
            return "–"
        # Scripts, forms and links are all dead in a sandboxed frame.
        return format_html(
            '<iframe sandbox="" title="The e-mail as shown" srcdoc="{}"'
            ' class="fin-frame"></iframe>',
            email.html,
        )

    @asking(
        "Send again",
        icon="forward_to_inbox",
        permission="act",
        title="Send this e-mail again?",
        text="It goes to the same addresses, as it is here.",
        submit="Send again",
    )
    def send_again(self, request: HttpRequest, email: Email, form: Any) -> str:
        return self._resend(email)

    def will_be_sent(self, request: HttpRequest, email: Email) -> Outlook:
        require_text(email)
        return Outlook(f"It goes to {', '.join(email.recipients)}. {self.state(email)} so far.")

    @bulk(
        "Send again",
        title="Send these e-mails again?",
        text="Each goes to the same addresses, as it is here.",
        submit="Send again",
        will=will_be_sent,
    )
    def send_selected_again(self, request: HttpRequest, email: Email, asked: Any) -> str:
        return self._resend(email)

    def _resend(self, email: Email) -> str:
        resend(email_id=UUID(str(email.pk)), now=clock.now())
        return f"“{email.subject}” will be sent to {', '.join(email.recipients)}."
