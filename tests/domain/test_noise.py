"""The sampler has the distribution that the promise is made of."""

import inspect
import math
from collections import Counter
from fractions import Fraction

import pytest

from vault.domain import noise
from vault.domain.noise import discrete_laplace, margin

DRAWS = 20_000


@pytest.mark.parametrize("epsilon", [Fraction(2), Fraction(1, 2), Fraction("0.3")])
def test_noise_is_distributed_as_it_says(epsilon: Fraction) -> None:
    """Each value within six standard deviations of its expected number: a fault of 1 % shows, chance does not."""
    found = Counter(discrete_laplace(epsilon) for _ in range(DRAWS))
    ratio = math.exp(-float(epsilon))
    for value in range(-6, 7):
        p = (1 - ratio) / (1 + ratio) * ratio ** abs(value)
        assert abs(found[value] - DRAWS * p) <= 6 * math.sqrt(DRAWS * p * (1 - p)) + 1, value


@pytest.mark.parametrize("epsilon", [Fraction(1, 2), Fraction(1, 10), Fraction(3)])
def test_the_margin_is_exceeded_as_rarely_as_it_says(epsilon: Fraction) -> None:
    """By the tail of the distribution, and one less would not do by its bound."""
    m, e = margin(epsilon, 6), float(epsilon)
    assert math.exp(-e * m) / (1 + math.exp(-e)) <= 1e-6
    assert math.exp(-e * (m - 1)) > 1e-6


def test_no_float_is_in_the_sampler() -> None:
    """Its last bits would tell what the noise hides."""
    source = inspect.getsource(noise).partition('"""\n\nimport')[2]
    assert "float" not in source
    assert "math.exp" not in source
    assert "random" not in source.replace("randbelow", "")
    assert all(isinstance(discrete_laplace(Fraction(1, 3)), int) for _ in range(50))
