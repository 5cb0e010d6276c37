"""Points of a segment, taken apart all at once, are those that reading row by row gives."""

from __future__ import annotations

from dataclasses import replace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from gitml.model import Point
from gitml.names import run_ref
from gitml.site import curves
from gitml.store.points import HEADER, Collector, read_segment
from tests.bench.ledgers import START, make_run, tree_files, write_commits

NAMES = ("auc", "loss", "val/loss", "val/loss2", "a b")
POINTS = st.lists(
    st.builds(
        Point,
        metric=st.sampled_from(NAMES),
        step=st.integers(-3, 9),
        time=st.integers(START, START + 3_000),
        value=st.floats(),
    ),
    max_size=60,
)


def read(run, data, most, *ways):
    return [repr(way(run, data, most)) for way in ways]


def slowly(run, data, most):
    return curves._slowly(run, read_segment(data, "a segment"), most)


def quickly(run, data, most):
    return curves._curves(None, run, [data], most)


def segment_of(points):
    collector, found = Collector(), {}
    collector.add_all(points)
    return b"".join(collector.segments(found)) or HEADER.encode(), found


@settings(max_examples=60, deadline=None)
@given(POINTS, st.sampled_from([0, 1, 50]), st.sampled_from([4, 500]))
def test_whatever_was_recorded(points, wrong, most):
    data, metrics = segment_of(points)
    # A summary may be of more or less than there is: it only says where to look first.
    told = {name: replace(m, count=abs(m.count - wrong)) for name, m in metrics.items()}
    run = replace(make_run(0), created=START, metrics=told)
    if told:
        one, other = read(run, data, most, slowly, quickly)
        assert one == other


@pytest.mark.parametrize(
    "rows",
    [
        "auc,1,5,0.5\nloss,1,5,0.5\nauc,2,6,0.7\n",  # a metric in two places
        "auc,1,5,0.5\nauc,2,6,0.7",  # no end of the last line
        "auc,1,5,0.5\r\nauc,2,6,0.7\r\n",
        "",
    ],
)
def test_rows_that_gitml_does_not_write(rows):
    data, metrics = segment_of([Point("auc", 1, 5, 0.5), Point("loss", 1, 5, 0.5)])
    run = replace(make_run(0), created=0, metrics=metrics)
    data = (HEADER + rows).encode()
    one, other = read(run, data, 500, slowly, quickly)
    assert one == other


def test_rows_that_are_none(repo, make_site):
    wrong = ["auc,1\n", "auc,x,5,0.5\n", "auc,1,5,0.5,6\n", "auc,1,5,0.5\n\n", "auc,1,5,0.5\n,,\n"]
    _, metrics = segment_of([Point("auc", 1, 5, 0.5), Point("auc", 2, 5, 0.5)])
    runs = [replace(make_run(n), metrics=metrics) for n in range(len(wrong))]
    files = [
        tree_files(run) | {"metrics/0000.csv": (HEADER + rows).encode()}
        for run, rows in zip(runs, wrong, strict=True)
    ]
    refs = [run_ref(run.id) for run in runs]
    write_commits(repo, [(r, f.items()) for r, f in zip(refs, files, strict=True)])
    site = make_site(repo)
    for run, rows in zip(runs, wrong, strict=True):
        assert "cannot be read" in site.text(f"runs/{run.id[:12]}.html"), rows
