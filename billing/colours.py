"""Contrast of colours, as WCAG 2.2 defines it. Pure functions."""

from django.core.exceptions import ValidationError

# Of text (success criterion 1.4.3).
ENOUGH = 4.5


def contrast(one: str, other: str) -> float:
    """The contrast ratio of two colours as #rrggbb, from 1 to 21."""
    brighter, darker = sorted((_luminance(one), _luminance(other)), reverse=True)
    return (brighter + 0.05) / (darker + 0.05)


def readable_on_white(colour: str) -> None:
    """Raises `ValidationError` for a colour whose text on white is hard to read."""
    try:
        ratio = contrast(colour, "#ffffff")
    except ValueError:
        raise ValidationError("A colour as #2f55d4 is expected.") from None
    if ratio < ENOUGH:
        raise ValidationError(
            f"Too light: its contrast with white is {ratio:.2f}, and {ENOUGH} is needed."
        )


def _luminance(colour: str) -> float:
    if len(colour) != 7 or colour[0] != "#":
        raise ValueError(colour)
    red, green, blue = (_linear(int(colour[at : at + 2], 16) / 255) for at in (1, 3, 5))
    return 0.2126 * red + 0.7152 * green + 0.0722 * blue


def _linear(value: float) -> float:
    return value / 12.92 if value <= 0.04045 else ((value + 0.055) / 1.055) ** 2.4
