"""Train a tumour classifier, `python train.py DEPTH`, and write what such scripts write."""

import csv
import json
import pickle
import sys
from pathlib import Path

from sklearn.datasets import load_breast_cancer
from sklearn.metrics import accuracy_score, roc_auc_score
from sklearn.model_selection import train_test_split
from sklearn.tree import DecisionTreeClassifier

params = {"model": "tree", "depth": int(sys.argv[1]), "seed": 0}
Path("params.yaml").write_text("".join(f"{key}: {value}\n" for key, value in params.items()))

data = load_breast_cancer()
with Path("tumours.csv").open("w", newline="") as file:
    rows = csv.writer(file, lineterminator="\n")
    rows.writerow([*data.feature_names, "target"])
    rows.writerows([*x, y] for x, y in zip(data.data.tolist(), data.target.tolist()))

x, x_test, y, y_test = train_test_split(data.data, data.target, random_state=params["seed"])
model = DecisionTreeClassifier(max_depth=params["depth"], random_state=params["seed"]).fit(x, y)

Path("model").mkdir(exist_ok=True)
Path("model/model.pkl").write_bytes(pickle.dumps(model))
auc = roc_auc_score(y_test, model.predict_proba(x_test)[:, 1])
accuracy = accuracy_score(y_test, model.predict(x_test))
Path("metrics.json").write_text(json.dumps({"auc": auc, "accuracy": accuracy}))
print(f"accuracy {accuracy:.4f}  auc {auc:.4f}")
