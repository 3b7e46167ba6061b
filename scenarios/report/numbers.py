"""How numbers are written in reports: as many digits as tell something, and never a zero that is none."""

import math

ABSENT = "\N{EN DASH}"
SUPERSCRIPTS = str.maketrans("-0123456789", "⁻⁰¹²³⁴⁵⁶⁷⁸⁹")
DIGITS = 3
"""Digits of a mean that are shown, where its interval does not ask for more."""
MOST_PLACES = 6
"""Decimals that are shown at most; what is smaller is written as a power of ten."""


def number(value: float | None) -> float:
    """Return a number of the summary, which has none where a share of nothing was asked for."""
    return math.nan if value is None else value


def brief(value: float) -> str:
    """Return `value` with three digits, or the whole of a large one."""
    return shown_number(value, places_of(value))


def with_interval(mean: float, low: float, high: float) -> tuple[str, str]:
    """Return a mean and its interval with the same decimals: those that show the interval; no interval without width.

    Parameters
    ----------
    mean, low, high : float
        As they are shown; NaN where there is none.
    """
    places = places_of(mean, high - low)
    if math.isnan(low) or math.isnan(high) or low == high:
        return shown_number(mean, places), ""
    return shown_number(mean, places), f"[{shown_number(low, places)}, {shown_number(high, places)}]"


def percent(level: float) -> str:
    """Return a level in per cent."""
    return f"{brief(level)} %"


def shown_number(value: float, places: int) -> str:
    """Return `value` with `places` decimals, thin spaces between thousands and a true minus.

    From 1e9 on, and where the decimals would show zero, as a power of ten.
    """
    if math.isnan(value):
        return ABSENT
    if math.isinf(value):
        return "∞" if value > 0 else "\N{MINUS SIGN}∞"
    if abs(value) >= 1e9 or (value and round(value, places) == 0):
        digits, power = f"{value:.2e}".split("e")
        shown = f"{digits},\N{MULTIPLICATION SIGN},10{str(int(power)).translate(SUPERSCRIPTS)}"
    else:
        shown = f"{value:,.{places}f}"
    return shown.replace("-", "\N{MINUS SIGN}").replace(",", "\N{NARROW NO-BREAK SPACE}")


def places_of(value: float, width: float = 0.0) -> int:
    """Return the decimals that show three digits of `value`, and two of the `width` of its interval."""
    shown = min(max(_leading(value, DIGITS), 0), DIGITS)
    return max(shown, min(_leading(width, 2), MOST_PLACES))


def _leading(value: float, digits: int) -> int:
    """Return the decimals of the first `digits` of `value`; none of zero and of what is no number."""
    if not math.isfinite(value) or value == 0:
        return 0
    return digits - 1 - math.floor(math.log10(abs(value)))
