"""Fit a line by stochastic gradient descent, in plain Python; LR=0.3 trains with another rate."""

import os
import random
from array import array
from pathlib import Path

import gitml

rate = float(os.environ.get("LR", "0.1"))
draw = random.Random(0)
points = [(x, 3 * x - 1 + draw.gauss(0, 0.1)) for x in (draw.uniform(-1, 1) for _ in range(50))]

with gitml.start_run("line") as run:
    run.log_params({"lr": rate, "epochs": 20})
    slope = offset = 0.0
    for epoch in range(20):
        for x, y in points:
            error = slope * x + offset - y
            slope, offset = slope - rate * error * x, offset - rate * error
        loss = sum((slope * x + offset - y) ** 2 for x, y in points) / len(points)
        run.log_metric("loss", loss, step=epoch)
    # A model above 1 MiB: such files travel beside git, and only to who asks for them.
    weights = array("d", [slope, offset])
    weights.extend(draw.random() for _ in range(200_000))
    Path("weights.bin").write_bytes(weights.tobytes())
    run.log_artifact("weights.bin")
