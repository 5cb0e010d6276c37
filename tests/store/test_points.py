"""Points are a set: however they come, they come out sorted, each once, in the same bytes."""

from __future__ import annotations

import math
import random

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from gitml.errors import DamagedError
from gitml.model import Metric
from gitml.store.points import (
    HEADER,
    INT_LIMIT,
    SEGMENT_ROWS,
    Collector,
    merge_summaries,
    quote_field,
    read_segment,
)

NAN, INF = math.nan, math.inf
whole = st.integers(-INT_LIMIT, INT_LIMIT)
few = st.integers(-2, 3)
floats = st.floats() | st.sampled_from([0.0, -0.0, NAN, -NAN, INF, -INF, 1e-5, 5e-324, 0.1])
metrics = st.sampled_from(["loss", "auc", "val/loss", 'a,"b"', "é", " x ", "a\nb", ""])
rows = st.lists(st.tuples(metrics, few | whole, few | whole, floats), max_size=30)


def canonical(points):
    """Return the set of points as the format tells it, from first principles."""
    unique = {(m, s, t, "nan" if v != v else repr(v + 0.0)) for m, s, t, v in points}  # noqa: PLR0124
    return sorted(unique, key=lambda p: (p[0], p[1], p[2], p[3] == "nan", float(p[3])))


def collect(points, spill_limit=1000):
    collector = Collector(spill_limit)
    collector.add_all(points)
    return collector


def told(collector):
    return [(m, s, t, repr(v)) for m, s, t, v in collector.points()]


def sealed(collector):
    summaries = {}
    return list(collector.segments(summaries)), summaries


@given(rows)
@example([("a", 0, 0, NAN), ("a", 0, 0, -NAN), ("a", 0, 0, 0.0), ("a", 0, 0, -0.0)])
@example([("a", 1, 0, NAN), ("a", 0, 5, NAN), ("a", 0, 0, INF), ("a", 0, 0, NAN)])
def test_they_come_out_sorted_and_once(points):
    assert told(collect(points)) == canonical(points)


@given(rows, st.randoms(use_true_random=False))
def test_neither_order_nor_twins_leave_a_trace(points, rng):
    shuffled = [*points, *points]
    rng.shuffle(shuffled)
    one, other = collect(points), collect(shuffled)
    assert sealed(one)[0] == sealed(other)[0]
    assert repr(sealed(one)[1]) == repr(sealed(other)[1])


@given(rows, st.integers(1, 7))
def test_what_spills_to_disk_is_the_same(points, limit):
    spilling, memory = collect(points, limit), collect(points)
    try:
        assert told(spilling) == told(memory)
        assert told(spilling) == told(memory), "and once more, for who was beaten"
        assert sealed(spilling)[0] == sealed(memory)[0]
        assert repr(sealed(spilling)[1]) == repr(sealed(memory)[1])
        assert bool(spilling) == bool(points)
    finally:
        spilling.close()


@given(rows)
def test_a_segment_is_read_as_it_was_written(points):
    segments, _ = sealed(collect(points))
    again = collect([point for data in segments for point in read_segment(data, "x")])
    assert told(again) == canonical(points)
    for data in segments:
        assert data.startswith(HEADER.encode())
        data.decode()


@given(rows)
def test_a_summary_says_what_the_points_say(points):
    _, summaries = sealed(collect(points))
    told_points = canonical(points)
    assert list(summaries) == sorted({m for m, *_ in told_points})
    for name, summary in summaries.items():
        own = [p for p in told_points if p[0] == name]
        numbers = [float(v) for *_, v in own if v != "nan"]
        assert (summary.step, repr(summary.last)) == (own[-1][1], own[-1][3])
        assert summary.count == len(own)
        assert repr(summary.min) == repr(min(numbers, default=NAN))
        assert repr(summary.max) == repr(max(numbers, default=NAN))


@given(rows, rows)
def test_summaries_of_earlier_and_later_points_merge_exactly(first, second):
    """As checkpoints do it: steps only grow."""
    later = [(m, s % 100 + 1000, t, v) for m, s, t, v in second]
    first = [(m, s % 100, t, v) for m, s, t, v in first]
    merged = merge_summaries(sealed(collect(first))[1], sealed(collect(later))[1])
    whole_of_it = sealed(collect([*first, *later]))[1]
    assert repr(dict(sorted(merged.items()))) == repr(whole_of_it)


def test_a_merge_keeps_a_goal_and_the_greater_step():
    old = {"auc": Metric(last=0.5, step=9, min=0.1, max=0.5, count=3, goal="max")}
    new = {"auc": Metric(last=0.7, step=2, min=NAN, max=NAN, count=1)}
    told_goal = Metric(last=0.5, step=9, min=0.1, max=0.5, count=4, goal="max")
    assert merge_summaries(old, new) == {"auc": told_goal}
    assert merge_summaries({}, old) == old


def test_segments_are_full_but_for_the_last_and_sorted_across():
    rng = random.Random(5)
    points = [("loss", rng.randrange(10**6), 0, rng.random()) for _ in range(SEGMENT_ROWS * 2 + 5)]
    points += [("auc", n, n, 0.5) for n in range(10)]
    segments, summaries = sealed(collect(points, 10**7))
    lines = [data.decode().splitlines() for data in segments]
    assert [len(part) - 1 for part in lines] == [SEGMENT_ROWS, SEGMENT_ROWS, 15]
    assert {part[0] for part in lines} == {HEADER.strip()}
    read = [tuple(p) for data in segments for p in read_segment(data, "x")]
    assert read == sorted(points)
    assert summaries["loss"].count == SEGMENT_ROWS * 2 + 5


def test_exactly_full_is_one_segment():
    segments, _ = sealed(collect([("a", n, 0, 1.0) for n in range(SEGMENT_ROWS)], 10**7))
    assert len(segments) == 1


@pytest.mark.parametrize("number", [INT_LIMIT + 1, -INT_LIMIT - 1, 2**80])
def test_a_row_that_does_not_fit_leaves_no_half(number):
    for bad in (("a", number, 0, 1.0), ("a", 0, number, 1.0)):
        collector = collect([("a", 1, 1, 1.0)])
        with pytest.raises(OverflowError):
            collector.add_all([bad])
        collector.add_all([("a", 2, 2, 2.0)])
        assert told(collector) == [("a", 1, 1, "1.0"), ("a", 2, 2, "2.0")]


def test_a_name_that_is_no_text_is_refused_before_it_is_held():
    collector = collect([("a", 1, 1, 1.0)])
    with pytest.raises(ValueError, match="surrogates"):
        collector.add_all([("\ud800", 1, 1, 1.0)])
    assert told(collector) == [("a", 1, 1, "1.0")]
    sealed(collector)


@given(st.text(st.characters(exclude_categories=["Cs"]), max_size=20))
@example('"')
@example('a,b\r\nc"d""e')
@example("\x00")
def test_any_name_fits_a_field(name):
    assert [tuple(p) for p in read_segment(f"h\n{quote_field(name)},1,2,3.5\n".encode(), "x")] == [
        (name, 1, 2, 3.5)
    ]


@pytest.mark.parametrize(
    "text",
    [
        "a",
        "a,1,2",
        "a,1,2,3,4",
        "a,x,2,3",
        "a,1,2,x",
        "a,1.5,2,3",
        "a,,,",
        '"a',
        f"{'a' * 200_000},1,2,3",
    ],
)
def test_a_segment_that_cannot_be_read_is_damage(text):
    with pytest.raises(DamagedError, match="the segment x"):
        list(read_segment(f"{HEADER}b,1,2,3.0\n{text}\n".encode(), "the segment x"))


def test_a_segment_is_utf8():
    with pytest.raises(DamagedError, match="not UTF-8"):
        list(read_segment(b"h\n\xff,1,2,3\n", "the segment x"))


@settings(max_examples=20)
@given(st.lists(st.tuples(few, few, floats), min_size=1, max_size=10), st.integers(1, 3))
def test_collectors_hold_the_union_of_what_they_are_given(points, parts):
    named = [("m", *p) for p in points]
    union = Collector()
    for part in range(parts):
        union.add_all(collect(named[part::parts]).points())
    assert told(union) == canonical(named)
