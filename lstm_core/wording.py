"""Numbers as a person reads them: three significant digits, thin-space thousands, real minus signs, 10⁻⁹."""

from __future__ import annotations

import math

THIN = "\u2009"
_RAISED = str.maketrans("-0123456789", "⁻⁰¹²³⁴⁵⁶⁷⁸⁹")


def raised(exponent: int) -> str:
    """An exponent in raised digits: −10 → ⁻¹⁰."""
    return str(exponent).translate(_RAISED)


def count(value: float) -> str:
    """A whole number: 12 345 with thin spaces; a dash for what is no number."""
    if not math.isfinite(value):
        return "–"
    return f"{math.floor(value + 0.5):,}".replace(",", THIN).replace("-", "−")


def number(value: float | None) -> str:
    """A measured number with three significant digits; a dash for what is no number."""
    if value is None or math.isnan(value):
        return "–"
    if math.isinf(value):
        return "∞" if value > 0 else "−∞"
    if value == 0:
        return "0"
    size = abs(value)
    if size >= 1e6 or size < 1e-3:
        digits, power_of_ten = f"{value:.2e}".split("e")
        return f"{digits.replace('-', '−')}{THIN}×{THIN}10{raised(int(power_of_ten))}"
    rounded = float(f"{value:.3g}")  # 999.6 has become 1000
    if abs(rounded) >= 1000:
        return count(rounded)
    places = 2 - math.floor(math.log10(abs(rounded)))
    return f"{rounded:.{max(places, 0)}f}".replace("-", "−")


def power(value: float) -> str:
    """A size by its power of ten alone: 10⁻⁹."""
    if not value > 0:
        return "0" if value == 0 else "–"
    if math.isinf(value):
        return "∞"
    exponent = math.floor(math.log10(value) + 0.5)
    return number(value) if abs(exponent) < 2 else f"10{raised(exponent)}"


def percent(share: float) -> str:
    """A share of 1 in whole per cent."""
    return f"{count(share * 100)}\u202f%" if math.isfinite(share) else "–"


def duration(seconds: float) -> str:
    """Seconds as a person says them."""
    if not math.isfinite(seconds):
        return "–"
    if seconds < 10:
        return f"{seconds:.1f} s"
    if seconds < 90:
        return f"{seconds:.0f} s"
    return f"{seconds / 60:.0f} min" if seconds < 5400 else f"{seconds / 3600:.1f} h"
