"""Stripe's test cards: what ``pm_card_...`` stands for and how a charge on it ends."""

from dataclasses import dataclass


@dataclass(frozen=True)
class TestCard:
    """``decline`` is a decline code, or None for a card that pays.

    ``attachable`` is False for cards that are declined already when saved to a customer.
    """

    __test__ = False  # not a test class, whatever its name says

    brand: str
    last4: str
    funding: str = "credit"
    decline: str | None = None
    attachable: bool = True
    disputed: bool = False

    @property
    def label(self) -> str:
        return f"{self.brand.title()} ending in {self.last4}"


def _declining(last4: str, code: str, *, attachable: bool = False) -> TestCard:
    return TestCard("visa", last4, decline=code, attachable=attachable)


CARDS: dict[str, TestCard] = {
    "pm_card_visa": TestCard("visa", "4242"),
    "pm_card_visa_debit": TestCard("visa", "5556", "debit"),
    "pm_card_mastercard": TestCard("mastercard", "4444"),
    "pm_card_mastercard_debit": TestCard("mastercard", "3222", "debit"),
    "pm_card_mastercard_prepaid": TestCard("mastercard", "5100", "prepaid"),
    "pm_card_amex": TestCard("amex", "8431"),
    "pm_card_discover": TestCard("discover", "9424"),
    "pm_card_diners": TestCard("diners", "3237"),
    "pm_card_jcb": TestCard("jcb", "0505"),
    "pm_card_unionpay": TestCard("unionpay", "0005"),
    "pm_card_createDispute": TestCard("visa", "0259", disputed=True),
    "pm_card_chargeCustomerFail": _declining("0341", "generic_decline", attachable=True),
    "pm_card_authenticationRequired": _declining(
        "3184", "authentication_required", attachable=True
    ),
    "pm_card_visa_chargeDeclined": _declining("0002", "generic_decline"),
    "pm_card_chargeDeclined": _declining("0002", "generic_decline"),
    "pm_card_visa_chargeDeclinedInsufficientFunds": _declining("9995", "insufficient_funds"),
    "pm_card_chargeDeclinedInsufficientFunds": _declining("9995", "insufficient_funds"),
    "pm_card_visa_chargeDeclinedLostCard": _declining("9987", "lost_card"),
    "pm_card_visa_chargeDeclinedStolenCard": _declining("9979", "stolen_card"),
    "pm_card_chargeDeclinedExpiredCard": _declining("0069", "expired_card"),
    "pm_card_chargeDeclinedIncorrectCvc": _declining("0127", "incorrect_cvc"),
    "pm_card_chargeDeclinedProcessingError": _declining("0119", "processing_error"),
}

# Offered on the sandbox's pages.
OFFERED = ("pm_card_visa", "pm_card_mastercard", "pm_card_amex", "pm_card_chargeCustomerFail")

_OWN_ERROR_CODES = {
    "expired_card": "Your card has expired.",
    "incorrect_cvc": "Your card's security code is incorrect.",
    "processing_error": "An error occurred while processing your card. Try again in a little bit.",
    "authentication_required": "Your card was declined. This transaction requires authentication.",
}


def decline_error(decline_code: str) -> tuple[str, str]:
    """Error code and message of a decline."""
    if decline_code in _OWN_ERROR_CODES:
        return decline_code, _OWN_ERROR_CODES[decline_code]
    if decline_code == "insufficient_funds":
        return "card_declined", "Your card has insufficient funds."
    return "card_declined", "Your card was declined."


def by_number(number: str) -> str | None:
    """The ``pm_card_...`` name of a card number, by its last four digits."""
    last4 = number.replace(" ", "")[-4:]
    return next((name for name, card in CARDS.items() if card.last4 == last4), None)
