"""What stays behind where a workspace comes to an issuer with another Stripe account."""

from uuid import UUID

from billing.errors import Conflict
from billing.stripe_accounts import AccountName
from invoices.queries import card_of


class CardStaysBehind(Conflict):
    """It has a card in the account it leaves, and none in the one it comes to."""

    code = "card_stays_behind"


def card_left_behind(workspace_id: UUID, *, before: AccountName, after: AccountName) -> str:
    """What becomes of its card, in words; empty where it has none, or another one there."""
    if before == after:
        return ""
    card = card_of(workspace_id, before)
    if card is None or card_of(workspace_id, after) is not None:
        return ""
    return (
        f"{card} is kept by the Stripe account {before}, and cannot be charged by {after}: its"
        " owner has to enter a card anew, or the next invoice is not charged. What is issued"
        " already is still collected as before."
    )
