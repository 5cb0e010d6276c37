"""Associations against scipy, by hand, and by what must hold whatever the runs."""

from __future__ import annotations

import json
import math
import shutil
import subprocess
from dataclasses import asdict
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from gitml.query.association import FEW, LEAST, RANK, RATIO, SAME, associations
from gitml.site.render import own_templates

HERE = Path(__file__).parent
CASES = json.loads((HERE / "association_cases.json").read_text(encoding="utf-8"))["cases"]
METRIC = st.one_of(st.none(), st.sampled_from([0.0, 0.5, math.inf]), st.floats())
NUMBERS = st.one_of(st.none(), st.booleans(), st.integers(-3, 3), st.floats(allow_nan=True))
VALUES = st.one_of(NUMBERS, st.sampled_from(["a", "b", "c"]), st.lists(st.integers(0, 1)))


def runs(*columns):
    rows = st.lists(st.tuples(*columns), max_size=60)
    return rows.map(lambda rows: list(zip(*rows, strict=True)) or [(), ()])


def is_there(value):
    return value is not None and not (isinstance(value, float) and math.isnan(value))


def one(values, metric):
    return associations({"p": values}, metric)


def real(value):
    return float(value["$float"]) if isinstance(value, dict) else value


@pytest.fixture(scope="module")
def scripted():
    """Return what the page's script finds in each case."""
    if shutil.which("node") is None:
        pytest.skip("node is not installed")
    program = HERE / "association.cjs"
    script = own_templates() / "assets" / "association.js"
    answer = subprocess.run(
        ["node", program, script],
        input=json.dumps(CASES),
        capture_output=True,
        text=True,
        check=True,
    )
    return json.loads(answer.stdout)


@pytest.mark.parametrize("nth", range(len(CASES)), ids=lambda nth: CASES[nth]["why"])
def test_case(scripted, nth):
    case = CASES[nth]
    answer = associations(case["params"], [real(value) for value in case["metric"]])
    expected = [(a["name"], a["method"], a["runs"]) for a in case["found"]]
    assert [(a.name, a.method, a.runs) for a in answer.found] == expected
    for found, wanted in zip(answer.found, case["found"], strict=True):
        assert found.value == pytest.approx(wanted["value"], abs=1e-12)
        assert found.bend == pytest.approx(wanted.get("bend"), abs=1e-12)
    assert [list(each) for each in answer.left_out] == case["left_out"]
    # The script finds the same, to the last bit.
    same = [asdict(each) for each in answer.found]
    assert scripted[nth] == {"found": same, "leftOut": case["left_out"]}


def test_chance_is_what_chance_does():
    """The mark is chi-squared's: scipy knows it exactly, the formula is near."""
    chi2 = pytest.importorskip("scipy.stats").chi2
    for kinds, count in [(2, 20), (3, 40), (5, 100), (30, 1000)]:
        values = [f"kind {n % kinds}" for n in range(count)]
        found = one(values, [float(n * 7919 % 1009) for n in range(count)]).found[0]
        exact = math.sqrt(chi2.ppf(0.95, kinds - 1) / (count - 1))
        assert found.chance == pytest.approx(exact, rel=0.005)


def test_by_hand():
    up = list(range(LEAST))
    assert one(up, [float(n**3) for n in up]).found[0].value == 1
    assert one(up, [-float(n) for n in up]).found[0].value == -1
    halves = ["low" if n < LEAST / 2 else "high" for n in up]
    # Ranks 1–10 and 11–20: between the halves lie 500 of 665 squares.
    found = one(halves, [float(n) for n in up]).found[0]
    assert (found.method, found.value) == (RATIO, pytest.approx(math.sqrt(500 / 665)))


@settings(deadline=None)
@given(runs(VALUES, METRIC))
def test_whatever_the_runs(columns):
    values, metric = columns
    answer = one(values, metric)
    pairs = [(v, m) for v, m in zip(values, metric, strict=True) if is_there(v) and is_there(m)]
    if len(pairs) < LEAST:
        assert answer.left_out == (("p", FEW),)
    for found in answer.found:
        assert found.runs == len(pairs)
        assert -1 <= found.value <= 1
        assert found.method == RANK or found.value >= 0
        assert 0 < found.chance < 1
        assert found.bend is None or abs(found.value) < found.bend <= 1


@settings(deadline=None)
@given(runs(st.integers(-50, 50), METRIC), st.randoms())
def test_order_and_scale_do_not_matter(columns, rng):
    values, metric = columns
    answer = one(values, metric)
    order = list(range(len(values)))
    rng.shuffle(order)
    assert one([values[n] for n in order], [metric[n] for n in order]) == answer
    assert one([math.exp(v) for v in values], metric) == answer
    turned = one([-v for v in values], metric)
    assert [-a.value for a in turned.found] == [a.value for a in answer.found]


@settings(deadline=None)
@given(runs(st.booleans(), METRIC))
def test_two_values_are_as_strong_by_either_measure(columns):
    values, metric = columns
    ranked, sorted_in = one(values, metric), one(["yes" if v else "no" for v in values], metric)
    assert ranked.left_out == sorted_in.left_out
    for a, b in zip(ranked.found, sorted_in.found, strict=True):
        assert abs(a.value) == pytest.approx(b.value, abs=1e-12)
        assert a.chance == b.chance


def test_a_constant_is_left_out():
    assert one([0.1] * 30, [float(n) for n in range(30)]).left_out == (("p", SAME),)
