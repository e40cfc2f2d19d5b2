"""Numbers as hear-preprocess leaves them: written to CSV and read back by pandas."""

from __future__ import annotations

MOST_DIGITS = 17


def through_csv(value: float) -> float:
    """What pandas (1.2 to 2) reads of the digits it wrote for `value`.

    Its parser multiplies and divides floating-point numbers, so a number of 16 or 17 digits can
    come back one unit in the last place away.
    """
    mantissa, _, power = repr(value).partition("e")
    whole, _, decimals = mantissa.lstrip("-").partition(".")
    digits = (whole + decimals)[:MOST_DIGITS]
    number = 0.0
    for digit in digits:
        number = number * 10.0 + int(digit)
    exponent = int(power or 0) + len(whole) - len(digits)
    scale = float(f"1e{abs(exponent)}")  # not 10.0**n, which rounds
    number = number * scale if exponent > 0 else number / scale
    return -number if value < 0 else number
