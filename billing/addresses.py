"""The line of an address with its city, in the order in which its country writes it."""

# The city first; elsewhere the postal code is.
_CITY_COMMA_STATE = frozenset(["CA", "US"])
_CITY_FIRST = frozenset(["AU", "GB", "IE", "IN", "NZ", "SG"])


def city_line(*, country: str, postal_code: str, city: str, state: str) -> str:
    """“Austin, TX 78701”, “London SW1A 1AA”, “10119 Berlin”; empty without any of it."""
    if country in _CITY_COMMA_STATE:
        place = ", ".join(part for part in (city, state) if part)
        return " ".join(part for part in (place, postal_code) if part)
    first, last = (city, state, postal_code), (postal_code, city, state)
    return " ".join(part for part in (first if country in _CITY_FIRST else last) if part)
