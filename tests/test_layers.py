"""Imports only go down the floors, never round in a circle, and doors and edges are kept."""

from __future__ import annotations

import ast
import graphlib
from pathlib import Path

import pytest

PACKAGE = Path(__file__).parents[1] / "gitml"

FLOORS = {
    **dict.fromkeys(["__main__", "cli", "commands", "demo", "output"], 8),
    **dict.fromkeys(["__init__", "api", "importers", "plugins"], 7),
    "site": 6,
    **dict.fromkeys(["registry", "reproduce", "sharing", "tracking"], 5),
    "query": 4,
    "store": 3,
    **dict.fromkeys(["codec", "data", "lines", "records", "redact", "words"], 2),
    "model": 1,
    **dict.fromkeys(["errors", "names"], 0),
}
DOORS = {  # library: the modules (or folders) that may import it
    "click": ["gitml.cli", "gitml.commands"],
    "fsspec": ["gitml.store.cloud"],
    "git": ["gitml.store.git"],
    "jinja2": ["gitml.site.render"],
    "markdown_it": ["gitml.site.markdown"],
    "mlflow": ["gitml.importers.mlflow", "gitml.plugins.mlflow"],
    "plotly": [],  # the site's tests draw with it; the build copies its bundle unopened
    "rich": ["gitml.output"],
    "sqlite3": ["gitml.query.index", "gitml.query.peek"],
    "yaml": ["gitml.codec"],
}
EDGES = ["gitml.__main__", "gitml.cli", "gitml.commands", "gitml.demo", "gitml.output"]
EDGES += ["gitml.tracking.capture"]
AT_THE_EDGES = {  # the environment, the clock, the working directory, the screen, the exit
    *["os.environ", "os.environb", "os.getenv", "os.getcwd", "Path.cwd"],
    *["date.today", "datetime.now", "datetime.today", "time.time", "time.time_ns"],
    *["print", "input", "sys.argv", "sys.exit", "sys.stderr", "sys.stdin", "sys.stdout"],
}


def within(module, place):
    return module == place or module.startswith(place + ".")


def floor(module):
    """Return the floor of ``gitml.X.Y``, that of the public door for ``gitml`` itself."""
    return FLOORS[[*module.split("."), "__init__"][1]]


def imports(source, module, known):
    """Yield (name, line, only for types) of each import in ``source``, deferred ones too."""
    tree = ast.parse(source)
    typing_only = {
        inner
        for node in ast.walk(tree)
        if isinstance(node, ast.If) and ast.unparse(node.test).endswith("TYPE_CHECKING")
        for part in node.body
        for inner in ast.walk(part)
    }
    for node in ast.walk(tree):
        names = []
        match node:
            case ast.Import():
                names = [alias.name for alias in node.names]
            case ast.ImportFrom(module=str(base), level=0):
                names = [
                    name if (name := f"{base}.{alias.name}") in known else base
                    for alias in node.names
                    if (base, alias.name) != ("gitml", "__version__")
                ]
            case ast.ImportFrom():
                names = [f"gitml.(relative import in {module})"]
            case ast.Call(
                func=ast.Attribute(attr=f) | ast.Name(id=f), args=[ast.Constant(value=v), *_]
            ):
                names = [v] if f in {"import_module", "__import__"} else []
        yield from ((name, node.lineno, node in typing_only) for name in names)


def edges(source):
    """Yield (name, line) of what only the edges may read, write or do."""
    for node in ast.walk(ast.parse(source)):
        match node:
            case ast.Attribute() | ast.Name():
                names = [".".join(ast.unparse(node).split(".")[-2:])]
            case ast.ImportFrom():
                names = [f"{node.module}.{alias.name}" for alias in node.names]
            case _:
                names = []
        yield from ((name, node.lineno) for name in names if name in AT_THE_EDGES)


def violations(sources):
    """Return a sentence for each import in ``{module: source}`` that the house forbids."""
    known = sources.keys()
    found, graph = [], {}
    for module, source in sources.items():
        if not any(within(module, place) for place in EDGES):
            found += [f"{module}:{line} uses {name}: for the edges" for name, line in edges(source)]
        for name, line, typing_only in imports(source, module, known):
            where = f"{module}:{line} imports {name}"
            if within(name, "gitml"):
                if name not in known:
                    found.append(f"{where}: there is no such module")
                elif floor(name) > floor(module):
                    found.append(f"{where}: up from floor {floor(module)} to {floor(name)}")
                elif not typing_only:
                    graph.setdefault(module, set()).add(name)
            elif not any(within(module, p) for p in DOORS.get(name.split(".")[0], [module])):
                found.append(f"{where}: a door it may not use")
    try:
        graphlib.TopologicalSorter(graph).prepare()
    except graphlib.CycleError as error:
        found.append("a circle: " + " -> ".join(error.args[1]))
    return found


def test_imports_go_down_and_doors_are_kept():
    files = {
        path.relative_to(PACKAGE.parent).with_suffix(""): path for path in PACKAGE.rglob("*.py")
    }
    sources = {
        ".".join(parts.parts).removesuffix(".__init__"): path.read_text(encoding="utf-8")
        for parts, path in files.items()
    }
    assert {module.split(".")[1] for module in sources if module != "gitml"} <= FLOORS.keys()
    assert violations(sources) == []


@pytest.mark.parametrize(
    "module,source,said",
    [
        ("gitml.names", "from gitml import model", "up from floor 0 to 1"),
        ("gitml.names", "import gitml", "up from floor 0 to 7"),
        ("gitml.names", "def f():\n    from gitml.model import Run", "up from floor 0 to 1"),
        ("gitml.names", "if TYPE_CHECKING:\n    from gitml.model import Run", "up from floor 0"),
        ("gitml.names", "importlib.import_module('gitml.model')", "up from floor 0 to 1"),
        ("gitml.names", "from . import model", "no such module"),
        ("gitml.names", "from gitml.gone import x", "no such module"),
        ("gitml.names", "from yaml import CSafeLoader", "a door it may not use"),
        ("gitml.site", "import plotly.graph_objects", "a door it may not use"),
        ("gitml.errors", "import gitml.names", "a circle: "),
        ("gitml.store.git", "env = {**os.environ}", "uses os.environ: for the edges"),
        ("gitml.store.git", "at = dt.datetime.now(UTC)", "uses datetime.now: for the edges"),
        ("gitml.store.git", "from time import time", "uses time.time: for the edges"),
        ("gitml.store.git", "print(1)", "uses print: for the edges"),
    ],
)
def test_a_forbidden_import_is_found(module, source, said):
    sources = {
        "gitml": "",
        "gitml.cli": "import os, sys\nsys.exit(os.getcwd())",
        "gitml.errors": "",
        "gitml.model": "from gitml import __version__",
        "gitml.names": "from gitml.errors import InputError",
        "gitml.site": "from gitml import names",
        "gitml.store.git": "import git",
    }
    assert violations(sources) == []
    (found,) = violations({**sources, module: f"{sources[module]}\n{source}"})
    assert said in found
