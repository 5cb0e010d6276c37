"""MLflow itself loads what gitml hands out.

Needs a Python that has MLflow and scikit-learn, named by GITML_MLFLOW_PYTHON; .ci/run makes one.
"""

from __future__ import annotations

import json
import os
import subprocess
import textwrap

import pytest

PYTHON = os.environ.get("GITML_MLFLOW_PYTHON")
"""Read when this is collected: during the tests no such variable is seen."""

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(not PYTHON, reason="GITML_MLFLOW_PYTHON names no Python with MLflow"),
]
TRAIN = """
    import json, pickle, sys, warnings
    warnings.simplefilter("ignore")
    import joblib, numpy as np, pandas as pd
    from sklearn.linear_model import LogisticRegression
    frame = pd.DataFrame({"age": [30, 41, 52, 63], "spend": [1.5, 2.5, 0.5, 9.0]})
    model = LogisticRegression().fit(frame, [0, 0, 1, 1])
    import mlflow
    from mlflow.models import infer_signature
    mlflow.sklearn.save_model(
        model, "saved", signature=infer_signature(frame, model.predict(frame)),
        input_example=frame.head(2), serialization_format="cloudpickle",
    )
    pickle.dump(model, open("model.pkl", "wb"))
    joblib.dump(model, "model.joblib", compress=3)
    print(json.dumps(model.predict(frame).tolist()))
"""
LOAD = """
    import json, sys, warnings
    warnings.simplefilter("ignore")
    import pandas as pd
    import mlflow
    from mlflow.utils.environment import _PythonEnv
    frame = pd.DataFrame({"age": [30, 41, 52, 63], "spend": [1.5, 2.5, 0.5, 9.0]})
    found = {}
    for folder in sys.argv[1:]:
        model = mlflow.pyfunc.load_model(folder)
        signature = model.metadata.signature
        found[folder] = [
            model.predict(frame).tolist(),
            None if signature is None else signature.inputs.input_names(),
            open(mlflow.pyfunc.get_model_dependencies(folder)).read().split(),
            _PythonEnv.from_yaml(folder + "/python_env.yaml").dependencies,
        ]
    info = mlflow.models.get_model_info("plain")
    print(json.dumps([found, info.flavors]))
"""


def python(code, *args, cwd):
    done = subprocess.run(
        [PYTHON, "-c", textwrap.dedent(code), *args],
        cwd=cwd,
        capture_output=True,
        encoding="utf-8",
        check=False,
        timeout=300,
    )
    assert done.returncode == 0, done.stderr[-3000:]
    return json.loads(done.stdout.splitlines()[-1])


def test_mlflow_loads_what_is_pulled(repo, invoke):
    expected = python(TRAIN, cwd=repo)

    def gitml(*args):
        answer = invoke(*args, cwd=repo)
        assert answer.code == 0, answer.err
        return answer.out

    (repo / "notes.txt").write_text("no model")
    gitml("log", "--name", "trained", "-m", "auc=1", "--artifact", "saved")
    gitml("register", "saved", "--run", "trained")
    gitml("register", "pickled", "--run", "trained", "--path", "model.pkl")
    gitml("register", "joblib", "--run", "trained", "--path", "model.joblib")
    gitml("register", "plain", "--run", "trained", "--path", "notes.txt")
    for name in ("saved", "pickled", "joblib", "plain"):
        (repo / name).rename(repo / f"{name}-before") if (repo / name).exists() else None
        gitml("model", "pull", f"{name}@latest", "-o", name)
    found, flavors = python(LOAD, "saved", "pickled", "joblib", cwd=repo)
    for name, inputs in (("saved", ["age", "spend"]), ("pickled", None), ("joblib", None)):
        predicted, names, needed, installs = found[name]
        assert (predicted, names) == (expected, inputs)
        # What mlflow models serve and predict install before they load it.
        assert installs == ["-r requirements.txt"]
        assert {line.partition("==")[0] for line in needed} >= {"mlflow", "scikit-learn"} or (
            name == "saved"
        )
    assert flavors == {}
