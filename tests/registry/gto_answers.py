"""Run by a Python that has GTO: what its commands answer about each repository on stdin."""

from __future__ import annotations

import contextlib
import io
import json
import sys

from gto.cli import app


def answer(*args):
    out = io.StringIO()
    with contextlib.redirect_stdout(out):
        app([*args, "--json"], standalone_mode=False)
    return json.loads(out.getvalue())


def main():
    answers = []
    for asked in json.load(sys.stdin):
        repo = ("--repo", asked["repo"])
        answers.append(
            {
                "show": answer("show", *repo),
                "versions": {name: answer("show", name, *repo) for name in asked["models"]},
                "history": answer("history", *repo),
                "refs": {tag: answer("check-ref", tag, *repo) for tag in asked["tags"]},
            }
        )
    json.dump(answers, sys.stdout)


main()
