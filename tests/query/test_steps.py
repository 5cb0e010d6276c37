"""Levels of a series: found where they are, and not where there is only noise."""

from __future__ import annotations

import math
import random
import time

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from gitml.query.steps import FEWEST, fit


def ends_of(values):
    return [step.end for step in fit(values)]


def noise(kind, rng):
    match kind:
        case "gauss":
            return rng.gauss(0, 1)
        case "uniform":
            return rng.random()
        case "skewed":
            return rng.expovariate(1)
        case "heavy tails":  # Student's t with three degrees of freedom
            return rng.gauss(0, 1) / math.sqrt(sum(rng.gauss(0, 1) ** 2 for _ in range(3)) / 3)


@pytest.mark.parametrize("kind", ["gauss", "uniform", "skewed", "heavy tails"])
@pytest.mark.parametrize("points, rounds", [(8, 250), (12, 200), (30, 100), (100, 30), (1000, 3)])
def test_noise_has_one_level(kind, points, rounds):
    rng = random.Random(f"{kind} {points}")
    found = [fit([noise(kind, rng) for _ in range(points)]) for _ in range(rounds)]
    assert sum(len(steps) > 1 for steps in found) <= rounds // 100


def wandering(points, follows, rng):
    """Return noise of which a part follows from the point before: AR(1) of variance 1."""
    values = [rng.gauss(0, 1)]
    while len(values) < points:
        fresh = rng.gauss(0, math.sqrt(1 - follows * follows))
        values.append(follows * values[-1] + fresh)
    return values


def test_noise_that_wanders_has_one_level():
    """Without regard to that, 26% and 63% are cut; the bounds are twice what 500 series give."""
    rng = random.Random(11)
    for points, rounds, most in ((30, 100, 12), (100, 40, 2)):
        found = [fit(wandering(points, 0.9, rng)) for _ in range(rounds)]
        assert sum(len(steps) > 1 for steps in found) <= most


def test_a_step_is_found_in_noise_that_wanders():
    rng = random.Random(11)
    for follows, size in ((0, 5), (0.5, 5), (0.9, 6)):
        found = 0
        for _ in range(30):
            series = [v + size * (n >= 17) for n, v in enumerate(wandering(30, follows, rng))]
            found += any(abs(step.start - 17) <= 2 for step in fit(series)[1:])
        assert found >= 28


# What airspeed velocity 0.6.6 (asv.step_detect.detect_steps) says of the same series too.
NOISE = [0.3, -0.5, 0.1, 0.4, -0.2, -0.4, 0.5, 0.0, -0.1, 0.2, -0.3, 0.35, -0.15, 0.25, -0.45]
SEEN = {
    "step": ([v + 5 * (n >= 9) for n, v in enumerate(NOISE)], [9, 15]),
    "stairs": ([v + 8 * (n // 5) for n, v in enumerate(NOISE)], [5, 10, 15]),
    "level": (NOISE, [15]),
    "the newest alone": ([*NOISE, 9.0], [15, 16]),
    "no noise": ([1.0] * 6 + [2.0] * 6, [6, 12]),
    "constant": ([0.91] * 12, [12]),
}


@pytest.mark.parametrize("name", SEEN)
def test_cases_of_asv(name):
    values, ends = SEEN[name]
    assert ends_of(values) == ends


def test_there_and_back():
    """Of which asv 0.6.6 says that it is one level, unless the pieces are longer."""
    assert ends_of([v + 6 * (5 <= n < 10) for n, v in enumerate(NOISE)]) == [5, 10, 15]


def test_the_levels_are_medians():
    first, second = fit([0.9, 0.91, 0.89, 0.9, 0.92, 0.7, 0.71, 0.69, 0.7, 0.7])
    assert (first.start, first.end, first.level) == (0, 5, 0.9)
    assert (second.start, second.end, second.level) == (5, 10, 0.7)
    assert first.spread == pytest.approx(0.008)


def test_an_outlier_is_no_level():
    values = [v + (40 if n in {4, 10} else 0) for n, v in enumerate(NOISE)]
    assert ends_of(values) == [15]
    assert ends_of([*values, *(v + 5 for v in NOISE)]) == [15, 30]


def test_a_short_piece_counts_only_at_the_end():
    assert ends_of([1.0] * 9 + [2.0] * 2) == [9, 11]
    assert ends_of([1.0] * 9 + [2.0] * 2 + [1.0] * 9) == [20]
    assert ends_of([2.0] + [1.0] * 9) == [10]
    assert ends_of([1.0] * 5 + [2.0] + [1.0] * 5 + [2.0]) == [12]
    assert ends_of([*NOISE * 2, 9.0]) == [30, 31]


def test_too_few_to_tell():
    for count in range(FEWEST):
        assert ends_of([1.0] * (count // 2) + [9.0] * (count - count // 2)) == [count][:count]


@settings(max_examples=60)
@given(
    values=st.lists(st.integers(-50, 50), min_size=FEWEST, max_size=40),
    jump=st.sampled_from([0, 0, 300]),
    power=st.integers(-20, 20),
    shift=st.integers(-1000, 1000),
)
def test_shift_scale_and_sign_change_nothing(values, jump, power, shift):
    """With whole numbers and powers of two, so that there is no rounding."""
    values = [float(v + jump * (n > len(values) // 2)) for n, v in enumerate(values)]
    ends = ends_of(values)
    scale = 2.0**power
    assert ends_of([(v + shift) * scale for v in values]) == ends
    assert len(fit([-v for v in values])) == len(ends)


@settings(max_examples=60)
@given(st.lists(st.floats(allow_nan=False, allow_infinity=False), max_size=30))
def test_any_numbers_are_covered(values):
    steps = fit(values)
    assert [step.start for step in steps] == [0, *(step.end for step in steps)][: len(steps)]
    assert not values or steps[-1].end == len(values)
    assert all(step.start < step.end for step in steps)
    assert all(min(values) <= step.level <= max(values) for step in steps)


def test_ten_thousand_points_in_a_second():
    rng = random.Random(5)
    values = [rng.gauss(0, 1) + 2 * (n >= 6_000) - 3 * (n >= 9_900) for n in range(10_000)]
    begun = time.process_time()
    ends = ends_of(values)
    assert time.process_time() - begun < 1
    assert len(ends) == 3
    assert abs(ends[0] - 6_000) <= 2
    assert abs(ends[1] - 9_900) <= 2
