"""What has to be installed where a model is loaded, in the three files that MLflow reads.

``requirements.txt`` names the distributions whose classes the pickle itself names, in
the versions that the run recorded, and MLflow, which loads and serves it; not all that
happened to be installed. https://mlflow.org/docs/latest/ml/model/dependencies/
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from gitml.codec import dump
from gitml.registry.package import made_member
from gitml.tracking.packages import normalized

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from gitml.model import Json
    from gitml.registry.package import Member
    from gitml.registry.pickles import Named

REQUIREMENTS = "requirements.txt"
PYTHON_ENV = "python_env.yaml"
CONDA = "conda.yaml"
ENV: Mapping[str, Json] = {"conda": CONDA, "virtualenv": PYTHON_ENV}
"""What the flavor ``python_function`` says of these files."""
_KNOWN = {
    "catboost": "catboost",
    "imblearn": "imbalanced-learn",
    "joblib": "joblib",
    "lightgbm": "lightgbm",
    "numpy": "numpy",
    "pandas": "pandas",
    "scipy": "scipy",
    "sklearn": "scikit-learn",
    "xgboost": "xgboost",
}
"""Distributions that are named without having been recorded: no module of the user's own
may become the name of a stranger's distribution."""
_ALWAYS = ("mlflow", "scikit-learn")
_WITH_IT = ("joblib", "numpy", "scipy")
"""What scikit-learn brings along; named where the version is known."""
_NAME = r"([A-Za-z0-9](?:[A-Za-z0-9._-]*[A-Za-z0-9])?)"
_PINNED = re.compile(_NAME + r"\s*==\s*([A-Za-z0-9][A-Za-z0-9._!-]*)(?:\+[A-Za-z0-9._-]*)?")
_PLACED = re.compile(_NAME + r" @ (?:[a-z]+\+)?(?:https?|ssh|git)://[^\s;]+")


def surroundings(
    members: Sequence[Member], named: Named, *, recorded: str, python: str | None
) -> list[Member]:
    """Return the files that are to be added, none that the model has already.

    ``recorded`` is the run's list of what was installed, a requirement a line. A list
    with another scikit-learn than the pickle is of is of another environment, such as
    that of a tool, and does not count.
    """
    own = {member.path.casefold(): member.path for member in members}
    lines = requirements(named, recorded)
    asked: list[Json] = [*lines]
    found = []
    if REQUIREMENTS in own:
        asked = [f"-r {own[REQUIREMENTS]}"]
    else:
        found.append(made_member(REQUIREMENTS, "".join(f"{line}\n" for line in lines).encode()))
    tools = ["pip", "setuptools", "wheel"]
    environment: dict[str, Json] = {"python": python} if python else {}
    environment |= {"build_dependencies": [*tools]}
    environment |= {"dependencies": [f"-r {own.get(REQUIREMENTS, REQUIREMENTS)}"]}
    interpreter = f"python={python}" if python else "python"
    conda: dict[str, Json] = {
        "name": "mlflow-env",
        "channels": ["conda-forge"],
        "dependencies": [interpreter, "pip", {"pip": asked}],
    }
    for path, document in ((PYTHON_ENV, environment), (CONDA, conda)):
        if path not in own:
            found.append(made_member(path, dump(document)))
    return found


def requirements(named: Named, recorded: str) -> list[str]:
    """Return what is to be installed for a pickle, a requirement each, sorted."""
    lines = dict(_recorded(recorded.splitlines()))
    stated = None if named.sklearn is None else f"scikit-learn=={named.sklearn}"
    if stated is not None and lines.get("scikit-learn") != stated:
        lines = {"scikit-learn": stated}
    wanted = {*_ALWAYS, *(name for name in _WITH_IT if name in lines)}
    for module in named.modules:
        name = _KNOWN.get(module, normalized(module))
        built = next((each for each in (name, f"{name}-cpu") if each in lines), None)
        if built is not None or module in _KNOWN:
            wanted.add(built or name)
    return [lines.get(name, name) for name in sorted(wanted)]


def _recorded(lines: Iterable[str]) -> Iterable[tuple[str, str]]:
    """Yield the name of each distribution and what installs it elsewhere too.

    A line that would tell pip anything more, an option above all, is passed over.
    """
    for line in lines:
        if pinned := _PINNED.fullmatch(line.strip()):
            # ``+cu118`` says how it was built; no index has a version of that name.
            yield normalized(pinned[1]), f"{pinned[1]}=={pinned[2]}"
        elif placed := _PLACED.fullmatch(line.partition("  # ")[0].strip()):
            yield normalized(placed[1]), placed[0]
