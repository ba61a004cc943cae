"""Integer noise for counts that leave the company: the discrete Laplace distribution, sampled exactly.

Differential privacy is a statement about probabilities, and floating point breaks it in the last bits: a sampler that
rounds a logarithm gives some sums that others cannot give, and so tells what was hidden (Mironov, "On significance of
the least significant bits for differential privacy", 2012). So nothing here is a float. The sampler is that of Canonne,
Kamath and Steinke ("The discrete Gaussian for differential privacy", 2020, algorithms 1 and 2): it needs fair choices
among n only, and those come from the system's generator by `secrets`.

P(Z = z) is proportional to exp(-epsilon * |z|). Added to a count that one visit changes by one, it makes every answer
at most exp(epsilon) times as likely with the visit as without.
"""

import secrets
from fractions import Fraction
from math import ceil
from typing import Final

_LN_10: Final = Fraction(23_025_851, 10_000_000)
"""Above the logarithm of 10 by less than 10^-7."""


def discrete_laplace(epsilon: Fraction) -> int:
    """One draw; P(z) is proportional to exp(-epsilon * |z|).

    Args:
        epsilon: above zero.
    """
    while True:
        magnitude = _geometric(epsilon)
        negative = secrets.randbelow(2)
        # Zero would come by both signs, twice as often as it should.
        if magnitude or not negative:
            return -magnitude if negative else magnitude


def margin(epsilon: Fraction, zeros: int) -> int:
    """The smallest m that is known to satisfy P(Z >= m) <= 10^-zeros, since P(Z >= m) <= exp(-epsilon * m)."""
    return ceil(zeros * _LN_10 / epsilon)


def _geometric(epsilon: Fraction) -> int:
    """How often in a row a coin that shows heads with exp(-epsilon) does so.

    With epsilon = s / t, first an exact draw of exp(-1/t) steps, then a division by s: so no step costs more than a few
    coins, however small epsilon is.
    """
    s, t = epsilon.as_integer_ratio()
    while True:
        part = secrets.randbelow(t)
        if _heads(part, t):
            break
    whole = 0
    while _heads(1, 1):
        whole += 1
    return (whole * t + part) // s


def _heads(n: int, d: int) -> bool:
    """A coin that shows heads with exp(-n/d), for 0 <= n/d <= 1.

    Tosses of n/(d*k), k = 1, 2, …, until one fails: the number that succeeded is even with just that probability,
    which is the series of exp(-x) read term by term.
    """
    k = 1
    while secrets.randbelow(d * k) < n:
        k += 1
    return k % 2 == 1
