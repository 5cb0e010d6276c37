"""Train a classifier of tumours, as anybody would: nothing here knows of gitml."""

import argparse
import csv
import json
import pickle
from pathlib import Path

import numpy as np
from sklearn.ensemble import GradientBoostingClassifier
from sklearn.metrics import accuracy_score, log_loss, roc_auc_score
from sklearn.model_selection import train_test_split

parser = argparse.ArgumentParser()
parser.add_argument("--learning-rate", type=float, default=0.1)
parser.add_argument("--max-depth", type=int, default=3)
parser.add_argument("--n-estimators", type=int, default=80)
parser.add_argument("--seed", type=int, default=0)
args = parser.parse_args()
SUBSAMPLE = 1.0

table = np.genfromtxt("data/tumours.csv", delimiter=",", skip_header=1)
x, y = table[:, :-1], table[:, -1]
x_train, x_test, y_train, y_test = train_test_split(x, y, test_size=0.3, random_state=args.seed)

model = GradientBoostingClassifier(
    learning_rate=args.learning_rate,
    max_depth=args.max_depth,
    n_estimators=args.n_estimators,
    subsample=SUBSAMPLE,
    random_state=args.seed,
)
model.fit(x_train, y_train)

# What it was trained with.
params = {**vars(args), "subsample": SUBSAMPLE, "model": "gradient boosting"}
Path("params.yaml").write_text("".join(f"{key}: {value}\n" for key, value in params.items()))

# How it went, step by step.
with Path("history.csv").open("w", newline="") as file:
    rows = csv.writer(file)
    rows.writerow(["step", "loss", "val/loss"])
    stages = zip(model.staged_predict_proba(x_train), model.staged_predict_proba(x_test))
    for step, (seen, unseen) in enumerate(stages, 1):
        rows.writerow([step, log_loss(y_train, seen), log_loss(y_test, unseen)])

# How good it is.
likely = model.predict_proba(x_test)[:, 1]
metrics = {
    "accuracy": accuracy_score(y_test, likely > 0.5),
    "auc": roc_auc_score(y_test, likely),
}
Path("metrics.json").write_text(json.dumps(metrics, indent=2))
with Path("model.pkl").open("wb") as file:
    pickle.dump(model, file)
print("accuracy {accuracy:.4f}  auc {auc:.4f}".format(**metrics))
