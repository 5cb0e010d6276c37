"""MLmodel files: what is read from one, and the minimal one that gitml makes."""

from __future__ import annotations

import bz2
import gzip
import hashlib
import io
import json
import lzma
import pickle
import sys
import zlib
from time import process_time

import pytest

from gitml.codec import load_user_yaml
from gitml.errors import InputError
from gitml.registry.mlmodel import complete, read_mlmodel
from gitml.registry.package import Member, made_member, package_digest
from gitml.registry.pickles import Pickled, look, named

MLFLOW = """\
artifact_path: model
flavors:
  python_function:
    loader_module: mlflow.sklearn
    model_path: model.pkl
  sklearn:
    pickled_model: model.pkl
    sklearn_version: 1.9.1
model_uuid: d7f1007abc0b4065b0e3965a9a2647a3
signature:
  inputs: '[{"type": "double", "name": "a", "required": true}, {"type": "long", "name":
    "b", "required": true}]'
  outputs: '[{"type": "tensor", "tensor-spec": {"dtype": "int64", "shape": [-1]}}]'
  params: null
utc_time_created: '2026-11-23 09:17:05.718654'
"""


class Explosive:
    """Unpickling this would show."""

    def __reduce__(self):
        return (exec, ("raise SystemExit('unpickled')",))


def documents(members):
    return {m.path: b"".join(m.open()) for m in members}


def test_an_mlmodel_of_mlflow_is_read():
    found = read_mlmodel(MLFLOW.encode())
    assert found.flavors["python_function"]["loader_module"] == "mlflow.sklearn"
    assert found.flavors["sklearn"]["sklearn_version"] == "1.9.1"
    assert found.signature == {
        "inputs": [
            {"type": "double", "name": "a", "required": True},
            {"type": "long", "name": "b", "required": True},
        ],
        "outputs": [{"type": "tensor", "tensor-spec": {"dtype": "int64", "shape": [-1]}}],
        "params": None,
    }


@pytest.mark.parametrize(
    "text, said",
    [
        ("", "has no flavors"),
        ("flavors: [sklearn]\n", "has no flavors"),
        ("flavors: {sklearn: yes}\n", "not a mapping"),
        ("flavors: {}\nsignature: {inputs: '[{'}\n", "inputs is not JSON"),
        ("flavors: {}\nsignature: {inputs: '[1]'}\n", "not a list of columns"),
        ('flavors: {}\nsignature: {inputs: \'[{"name": "a"}]\'}\n', "without a type"),
        ("flavors: !!python/object/apply:os.system [true]\n", "tag"),
        ("flavors: {\n", "not YAML"),
        ("flavors: " + "[" * 40 + "]" * 40, "nests deeper"),
        ("x" * (1 << 21), "more than"),
    ],
)
def test_what_is_no_mlmodel(text, said):
    with pytest.raises(InputError, match=said):
        read_mlmodel(text.encode())
    with pytest.raises(InputError, match="not UTF-8"):
        read_mlmodel(b"flavors: \xff")


def test_a_folder_in_mlflows_form_stays_as_it_is():
    given = [made_member("MLmodel", MLFLOW.encode()), made_member("model.pkl", b"\x80\x04.")]
    members, found = complete(given)
    assert members == given
    assert "sklearn" in found.flavors
    with pytest.raises(InputError, match="signature and example itself"):
        complete(given, signature={"inputs": [{"type": "long"}]})


def test_other_files_get_a_minimal_mlmodel_that_depends_on_nothing_else():
    given = [made_member("weights.bin", b"\0\1"), made_member("vocabulary.txt", b"a\n")]
    signature = {"inputs": [{"type": "string", "name": "text"}]}
    members, found = complete(given, signature=signature, example=[{"text": "hello"}])
    assert found.flavors == {}
    documented = documents(members)
    assert json.loads(documented["input_example.json"]) == [{"text": "hello"}]
    document = load_user_yaml(documented["MLmodel"].decode(), "MLmodel")
    assert document["flavors"] == {}
    assert json.loads(document["signature"]["inputs"]) == signature["inputs"]
    assert document["saved_input_example_info"]["type"] == "json_object"
    assert read_mlmodel(documented["MLmodel"]) == found
    again, _ = complete(given, signature=signature, example=[{"text": "hello"}])
    assert package_digest(again) == package_digest(members)


def test_examples_of_pandas():
    pd = pytest.importorskip("pandas")
    given = [made_member("weights.bin", b"\0")]
    frame = pd.DataFrame({"age": [30, 41], "plan": ["a", None], "spend": [1.5, 2.0]})
    members, found = complete(given, example=frame)
    assert [(c["name"], c["type"], c["required"]) for c in found.signature["inputs"]] == [
        ("age", "long", True),
        ("plan", "string", False),
        ("spend", "double", True),
    ]
    assert json.loads(documents(members)["input_example.json"]) == {
        "columns": ["age", "plan", "spend"],
        "data": [[30, "a", 1.5], [41, None, 2.0]],
    }


def test_examples_of_numpy():
    np = pytest.importorskip("numpy")
    given = [made_member("weights.bin", b"\0")]
    members, found = complete(given, example=np.zeros((2, 3), dtype="float32"))
    assert found.signature["inputs"][0]["tensor-spec"] == {"dtype": "float32", "shape": [-1, 3]}
    assert json.loads(documents(members)["input_example.json"]) == [[0, 0, 0], [0, 0, 0]]


def test_an_example_that_is_not_json_or_takes_the_place_of_a_file():
    with pytest.raises(InputError, match="cannot be written as JSON"):
        complete([made_member("w", b"\0")], example=object())
    with pytest.raises(InputError, match="that gitml would write"):
        complete([made_member("input_example.json", b"{}")], example=[1])
    with pytest.raises(InputError, match="as JSON, more than"):
        complete([made_member("w", b"\0")], example="x" * (1 << 21))


def pickles():
    tree = pytest.importorskip("sklearn.tree")
    joblib = pytest.importorskip("joblib")
    model = tree.DecisionTreeClassifier(max_depth=1).fit([[0.0], [1.0]], [0, 1])
    for protocol in range(2, pickle.HIGHEST_PROTOCOL + 1):
        yield pickle.dumps(model, protocol), Pickled.PLAIN
    plain = io.BytesIO()
    joblib.dump(model, plain)
    for pack in (bytes, zlib.compress, gzip.compress, bz2.compress, lzma.compress):
        yield pack(plain.getvalue()), Pickled.JOBLIB


def test_models_of_scikit_learn_are_known_without_unpickling():
    for data, kind in pickles():
        assert look(made_member("model", data)) is kind, data[:20]
    boosted = b"\x80\x04\x8c\x0fxgboost.sklearn\x94\x8c\x0dXGBClassifier\x94\x93\x94)\x81\x94."
    assert look(made_member("model", boosted)) is Pickled.PLAIN
    members, _ = complete([made_member("m", boosted)], installed="xgboost-cpu==3.2\ntrain==1\n")
    assert documents(members)["requirements.txt"] == b"mlflow\nscikit-learn\nxgboost-cpu==3.2\n"


def test_names_are_found_in_any_piece_and_no_file_takes_for_ever():
    word = b"\x8c\x05scipy\x94\x8c\x01x\x94\x93"
    far = Member(path="m", size=0, sha256="", open=lambda: iter([b"\x80\x04", word[:9], word[9:]]))
    assert named(far).modules == {"scipy"}
    assert named(made_member("m", zlib.compress(b"\0" * 300_000 + word))).modules == {"scipy"}
    old = b"\x80\x02csklearn.svm._classes\nSVC\nq\x00c1x\ny\nKcccopyreg\n_reconstructor\nc\n"
    found = named(made_member("m", old)).modules
    assert {"sklearn", "copyreg"} < found
    assert not {"1x", "y", "c", "", "SVC"} & found
    for noise in (b"c", b"\x8c", b"\x8cca", b"_sklearn_version\x8c\xff"):
        assert named(made_member("m", noise * 200_000)).sklearn is None
    begun = process_time()
    for noise in (b"c" * 8_000_000, (b"c" * 254 + b"\n") * 30_000):
        named(made_member("m", noise))
    assert process_time() - begun < 8  # with a look at each letter for itself half a minute


def test_what_is_not_a_model_that_can_be_called():
    preprocessing = pytest.importorskip("sklearn.preprocessing")
    scaler = preprocessing.StandardScaler().fit([[0.0], [1.0]])
    for data in (
        pickle.dumps(Explosive()),
        gzip.compress(pickle.dumps(Explosive())),
        pickle.dumps(scaler),
        pickle.dumps({"model": scaler}),
        pickle.dumps(pytest.importorskip("sklearn.tree").DecisionTreeClassifier),
        b"",
        b"\x80",
        b"\x80\x04\x95",
        b"x is a text",
        b"BZh9 is no archive",
        b"\x80\x04" + b"\x8c\xff" * 40,
        hashlib.sha256(b"noise").digest(),
    ):
        assert look(made_member("model", data)) is None, data[:40]


def test_a_pickled_model_gets_the_flavors_that_load_it():
    (plain, _), *_, (packed, _) = pickles()
    env = {"conda": "conda.yaml", "virtualenv": "python_env.yaml"}
    _, found = complete([made_member("model.pkl", plain)], python="3.11.7")
    assert found.flavors["python_function"] == {
        "loader_module": "mlflow.sklearn",
        "model_path": "model.pkl",
        "env": env,
        "python_version": "3.11.7",
    }
    members, found = complete([made_member("m/model.joblib", packed)])
    assert found.flavors == {
        "python_function": {
            "loader_module": "gitml_loader",
            "code": "code",
            "data": "m/model.joblib",
            "env": env,
        }
    }
    assert [m.path for m in members] == [
        "m/model.joblib",
        "code/gitml_loader.py",
        "requirements.txt",
        "python_env.yaml",
        "conda.yaml",
        "MLmodel",
    ]
    _, found = complete([made_member("a.pkl", plain), made_member("b.pkl", plain)])
    assert found.flavors == {}
    _, found = complete([made_member("a", packed), made_member("Code/x.py", b"")])
    assert found.flavors == {}


def test_what_a_model_needs_is_what_its_pickle_names_as_it_was_recorded():
    sklearn = pytest.importorskip("sklearn")
    now = f"scikit-learn=={sklearn.__version__}"
    around = f"joblib==1.5\nnumpy==2.4.6+mkl\npytest==9\nmlflow==3.17\n{now}\nscipy @ file:///x\n"
    for data, kind in pickles():
        members, _ = complete([made_member("m", data)], python="3.12", installed=around)
        documented = documents(members)
        assert documented["requirements.txt"].decode().splitlines() == [
            *("joblib==1.5", "mlflow==3.17", "numpy==2.4.6", now),
        ], (data[:20], kind)
    assert load_user_yaml(documented["python_env.yaml"].decode(), "") == {
        "python": "3.12",
        "build_dependencies": ["pip", "setuptools", "wheel"],
        "dependencies": ["-r requirements.txt"],
    }
    # What was recorded is of another environment: the pickle says which scikit-learn it is of.
    other = around.replace(now, "scikit-learn==0.1")
    members, found = complete([made_member("m", pickles_plain())], installed=other)
    lines = documents(members)["requirements.txt"].decode().splitlines()
    assert lines == ["mlflow", "numpy", now]
    assert found.flavors["sklearn"]["sklearn_version"] == sklearn.__version__
    # What would tell pip more than what to install is passed over: runs come from anybody.
    evil = f"{now}\nnumpy==1 --index-url https://x\njoblib==1; y\n-r z==1\nscipy @ --pre\n"
    members, _ = complete([made_member("m", pickles_plain())], installed=evil)
    lines = documents(members)["requirements.txt"].decode().splitlines()
    assert lines == ["mlflow", "numpy", now]
    # Files of the user's own stay, and are what the others speak of.
    given = [made_member("m", pickles_plain()), made_member("requirements.txt", b"torch\n")]
    documented = documents(complete(given, installed=around)[0])
    assert documented["requirements.txt"] == b"torch\n"
    conda = load_user_yaml(documented["conda.yaml"].decode(), "")
    assert conda["dependencies"][-1] == {"pip": ["-r requirements.txt"]}


def test_a_pickle_that_needs_the_script_that_made_it_has_no_flavor():
    pipeline = pytest.importorskip("sklearn.pipeline")
    own = type("Own", (), {"__module__": "__main__", "__qualname__": "Own"})
    main = sys.modules["__main__"]
    main.Own = own
    try:
        data = pickle.dumps(pipeline.Pipeline([("own", own())]))
    finally:
        del main.Own
    members, found = complete([made_member("model.pkl", data)])
    assert (found.flavors, [m.path for m in members]) == ({}, ["model.pkl", "MLmodel"])
    assert found.bound == "model.pkl"


def pickles_plain():
    return next(iter(pickles()))[0]
