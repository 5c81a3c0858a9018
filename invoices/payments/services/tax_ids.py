"""A customer's tax id in Stripe, which wants to know of what kind it is."""

from billing.models import Workspace
from billing.stripe_accounts import AccountName
from invoices.payments.services import stripe_client

_EU = frozenset(
    "AT BE BG CY CZ DE DK EE ES FI FR GR HR HU IE IT LT LU LV MT NL PL PT RO SE SI SK".split()
)
# Stripe's kinds for the countries where the one for companies is plain:
# https://docs.stripe.com/billing/customer/tax-ids#supported-tax-ids
_KINDS = {
    **dict.fromkeys(_EU, "eu_vat"),
    "AE": "ae_trn",
    "AU": "au_abn",
    "BR": "br_cnpj",
    "CA": "ca_bn",
    "CH": "ch_vat",
    "CL": "cl_tin",
    "GB": "gb_vat",
    "IL": "il_vat",
    "IN": "in_gst",
    "IS": "is_vat",
    "JP": "jp_trn",
    "KE": "ke_pin",
    "KR": "kr_brn",
    "MX": "mx_rfc",
    "NO": "no_vat",
    "NZ": "nz_gst",
    "PH": "ph_tin",
    "SA": "sa_vat",
    "SG": "sg_gst",
    "TH": "th_vat",
    "TR": "tr_tin",
    "TW": "tw_vat",
    "UA": "ua_vat",
    "US": "us_ein",
    "ZA": "za_vat",
}


def tax_id_kind(*, tax_id: str, country: str) -> str:
    """Stripe's kind of a company's tax id; empty where it cannot be told.

    `country` is the address's; a VAT number's own prefix goes before it ("EL" is Greece's).
    """
    prefix = tax_id[:2].upper()
    if prefix == "EL" or prefix in _EU:
        return "eu_vat"
    if prefix == "GB":
        return "gb_vat"
    return _KINDS.get(country.upper(), "")


def replace_tax_id(account: AccountName, *, customer_id: str, workspace: Workspace) -> None:
    """Make the workspace's tax id the only one of its customer. Raises `StripeFailure`.

    One whose kind cannot be told is kept in the customer's metadata only.
    """
    kind = tax_id_kind(tax_id=workspace.tax_id, country=workspace.address_country)
    wanted = (kind, workspace.tax_id) if workspace.tax_id and kind else None
    path = f"/v1/customers/{customer_id}/tax_ids"
    for found in list(stripe_client.every(account, path)):
        if (found["type"], found["value"]) == wanted:
            wanted = None
        else:
            stripe_client.delete(account, f"{path}/{found['id']}")
    if wanted is not None:
        stripe_client.post(account, path, {"type": wanted[0], "value": wanted[1]})
