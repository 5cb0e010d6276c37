"""Train a digit classifier; it writes what training scripts write, and knows no gitml."""

import csv
import json
from pathlib import Path

from sklearn.datasets import load_digits
from sklearn.linear_model import SGDClassifier
from sklearn.metrics import log_loss
from sklearn.model_selection import train_test_split

params = {"model": "sgd", "alpha": 1e-4, "epochs": 20, "seed": 0}
Path("params.yaml").write_text("".join(f"{key}: {value}\n" for key, value in params.items()))

x, y = load_digits(return_X_y=True)
x_train, x_test, y_train, y_test = train_test_split(x / 16, y, random_state=params["seed"])
model = SGDClassifier(loss="log_loss", alpha=params["alpha"], random_state=params["seed"])

with Path("history.csv").open("w", newline="") as file:
    rows = csv.writer(file)
    rows.writerow(["epoch", "loss", "accuracy"])
    for epoch in range(params["epochs"]):
        model.partial_fit(x_train, y_train, classes=range(10))
        loss = log_loss(y_test, model.predict_proba(x_test))
        rows.writerow([epoch, loss, model.score(x_test, y_test)])

Path("metrics.json").write_text(json.dumps({"test": {"accuracy": model.score(x_test, y_test)}}))
