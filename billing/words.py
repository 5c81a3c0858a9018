"""Words that are stored as codes and names, and shown in a person's language.

`billing.formats.word` and `readable` look them up; they stand here so that the catalogues have
them. What is not here is shown as it is stored.
"""

from django.utils.translation import gettext_noop as _

WORDS = (
    # Taxes and units.
    _("VAT"), _("min"), _("characters"), _("GB"), _("month"),
    # Resource types.
    _("Call Minutes"), _("Transcription"), _("Voice Synthesis"), _("Recording Storage"),
    _("Any use"), _("units"), _("Monthly Subscription"), _("Credit brought forward"),
    # What is added to a line by its price.
    _("At list price"), _("Fixed amount a record"), _("Rounding"),
    # Statuses of invoices, periods, workspaces, credit notes.
    _("Draft"), _("Being sent"), _("Open"), _("Partly paid"), _("Paid"), _("Overdue"), _("Void"),
    _("Uncollectible"), _("Written off"), _("Current"), _("Finalized"), _("Active"), _("Suspended"),
    _("Closed"), _("Discarded"), _("Issued"), _("Approved"), _("Expired"), _("Waiting"),
    # Statuses of calls and agents.
    _("Completed"), _("In progress"), _("Failed"), _("Busy"), _("No answer"), _("Cancelled"),
    _("Live"), _("Paused"), _("Inbound"), _("Outbound"), _("Archived"),
    # What happened to an invoice.
    _("Sent to be paid"), _("Reminder sent"), _("Payment failed"),
    _("Not charged: no payment method"), _("Workspace suspended"), _("Workspace active again"),
    _("Payment received"), _("Payment taken back"), _("Credit used"), _("Voided"),
    _("Carried over"), _("Issued anew"),
    _("Not to be billed again"), _("Refund"), _("Dispute"), _("The payment failed."),
    _("Your card was declined."),
    # Ways to pay.
    _("Bank transfer"), _("Another way"),
    # People.
    _("Owner"), _("Admin"), _("Viewer"),
    # Mails that one may do without.
    _("Much of the usage limit is used"), _("The usage limit is reached"),
    _("Decisions on disputed calls"), _("Much of a budget is used"),
    _("Each Monday: spend and budgets"),
    # Formats of e-invoices.
    _("None"), _("Factur-X / ZUGFeRD: inside the PDF"),
    # Tiers.
    _("Free"), _("Starter"), _("Pro"), _("Enterprise"),
    # Why a credit note was issued.
    _("Poor quality"), _("Dropped calls"), _("Billed twice"), _("Wrong price"),
    _("Usage taken back"), _("Order cancelled"), _("Goodwill"), _("Another reason"),
    # Disputes of calls.
    _("Billed wrongly"), _("Broke off"), _("Refused"), _("Withdrawn"),
    # Lines of a statement.
    _("Invoice"), _("Credit note"), _("Invoice is void"), _("Credit note is void"),
    _("Sent back"), _("Refund, Stripe"), _("Credit paid out"), _("Payment, Stripe"),
    _("Payment, bank transfer"), _("Payment, another way"), _("Opening balance"),
    _("Closing balance"), _("Payment taken back, bank transfer"),
    _("Payment taken back, another way"), _("Payment charged back, Stripe"),
    _("Chargeback won, payment is back"), _("Chargeback lost, written off"),
    _("Chargeback lost"),
    _("Chargeback asked for again"),
    # Lines of the payment history.
    _("Payment"), _("Refund failed"), _("Payment charged back"), _("Overpayment kept as credit"),
    _("Credit from a credit note"), _("Credit used for an invoice"),
    _("Credit back from a void invoice"), _("Credit of an overpayment taken back"),
    _("Credit of a void credit note taken back"), _("Your credit"),
    # Of a tax, before its place.
    _("Sales tax"),
    # What the law wants an invoice to say (`billing.rating.taxes`).
    _("Reverse charge: the customer accounts for VAT (Articles 44 and 196 of Directive"
      " 2006/112/EC)."),
    _("Not subject to VAT: supplied outside of the European Union (Articles 44, 58 and 59 of"
      " Directive 2006/112/EC)."),
    _("Exempt from tax by law."),
)  # fmt: skip
