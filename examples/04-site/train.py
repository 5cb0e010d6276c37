"""A sweep of a small classifier in plain Python: ten runs, each with curves, a figure, a table."""

import csv
import json
import math
import random
from itertools import product
from pathlib import Path

import gitml

EPOCHS = 40
SWEEP = [*product((0.05, 0.3, 1.0), (0, 1, 2)), (8.0, 1)]  # rate, degree; one that is too fast
OUT = Path("out")


def moons(count, rng):
    """Return points on two half circles that reach into each other, and which one each is on."""
    points = []
    for n in range(count):
        angle, label = rng.random() * math.pi, n % 2
        x, y = math.cos(angle), math.sin(angle)
        x, y = (1 - x, 0.5 - y) if label else (x, y)
        points.append((x + rng.gauss(0, 0.18), y + rng.gauss(0, 0.18), label))
    return points


def features(x, y, degree):
    """Return what the model sees: 1, x, y, and their products up to a degree."""
    known = [1.0, x, y]
    if degree > 0:
        known += [x * x, x * y, y * y]
    if degree > 1:
        known += [x**3, x * x * y, x * y * y, y**3]
    return known


def probability(weights, known):
    """Return how likely a point is on the second half circle."""
    z = sum(w * f for w, f in zip(weights, known, strict=True))
    return 1 / (1 + math.exp(-max(-30.0, min(30.0, z))))


def score(weights, rows):
    """Return (loss, accuracy)."""
    loss = right = 0.0
    for known, label in rows:
        p = probability(weights, known)
        loss -= math.log(max(1e-12, p if label else 1 - p)) / len(rows)
        right += (p > 0.5) == bool(label)
    return loss, right / len(rows)


def epoch(weights, rows, rate, rng):
    """Go once through the points and move the weights a little at each."""
    for known, label in rng.sample(rows, len(rows)):
        slope = probability(weights, known) - label
        weights[:] = [w - rate * slope * f for w, f in zip(weights, known, strict=True)]


def keep(run, weights, degree, points):
    """Keep the boundary as a figure and the mistakes as a table."""
    OUT.mkdir(exist_ok=True)
    axis = [n / 10 - 1.5 for n in range(41)]
    grid = [[probability(weights, features(x, y, degree)) for x in axis] for y in axis]
    traces = [{"type": "contour", "x": axis, "y": axis, "z": grid, "colorscale": "RdBu"}]
    for label in (0, 1):
        side = [point for point in points if point[2] == label]
        xs, ys = [p[0] for p in side], [p[1] for p in side]
        traces.append(
            {"type": "scatter", "mode": "markers", "name": f"moon {label}", "x": xs, "y": ys}
        )
    title = {"text": f"What it takes for the second moon, degree {degree + 1}"}
    (OUT / "boundary.json").write_text(json.dumps({"data": traces, "layout": {"title": title}}))
    with (OUT / "mistakes.csv").open("w", newline="") as file:
        rows = csv.writer(file)
        rows.writerow(["x", "y", "moon", "probability"])
        for x, y, label in points:
            p = probability(weights, features(x, y, degree))
            if (p > 0.5) != bool(label):
                rows.writerow([round(x, 3), round(y, 3), label, round(p, 3)])
    run.log_artifact(OUT / "boundary.json")
    run.log_artifact(OUT / "mistakes.csv")


for rate, degree in SWEEP:
    rng = random.Random(7)
    train, test = moons(160, rng), moons(160, rng)
    seen, unseen = (
        [(features(x, y, degree), label) for x, y, label in part] for part in (train, test)
    )
    with gitml.start_run(experiment="moons") as run:
        run.log_params({"rate": rate, "degree": degree + 1, "epochs": EPOCHS})
        weights = [0.0] * len(seen[0][0])
        for step in range(EPOCHS):
            epoch(weights, seen, rate / (1 + step / 10), rng)
            loss, _ = score(weights, seen)
            test_loss, accuracy = score(weights, unseen)
            run.log_metrics({"loss": loss, "test/loss": test_loss, "accuracy": accuracy}, step=step)
        keep(run, weights, degree, test)
