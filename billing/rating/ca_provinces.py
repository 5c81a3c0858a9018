"""Provinces and territories of Canada by their codes and names."""

# ISO 3166-2:CA.
PROVINCES = {
    "AB": "Alberta",
    "BC": "British Columbia",
    "MB": "Manitoba",
    "NB": "New Brunswick",
    "NL": "Newfoundland and Labrador",
    "NS": "Nova Scotia",
    "NT": "Northwest Territories",
    "NU": "Nunavut",
    "ON": "Ontario",
    "PE": "Prince Edward Island",
    "QC": "Quebec",
    "SK": "Saskatchewan",
    "YT": "Yukon",
}
_CODES = {name.casefold(): code for code, name in PROVINCES.items()} | {"québec": "QC"}


def province_code(text: str) -> str:
    """“Ontario”, “on” and “CA-ON” are ON; empty for anything else."""
    plain = text.strip().removeprefix("CA-").removeprefix("ca-")
    return plain.upper() if plain.upper() in PROVINCES else _CODES.get(plain.casefold(), "")
