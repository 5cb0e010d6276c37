"""``clean_source: true``: the code was committed, and a branch has it."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar, Self

from gitml.names import plural, visible
from gitml.registry.gates.base import verdict

if TYPE_CHECKING:
    from gitml.model import Json
    from gitml.registry.gates.base import Case, Where
    from gitml.registry.values import Verdict

_REMOTES = "refs/remotes/"
_OID = re.compile(r"[0-9a-f]{40}|[0-9a-f]{64}")
_SHOWN = 10


@dataclass(frozen=True, slots=True)
class CleanSource:
    """Passes a version whose run's code is in a commit that a branch reaches."""

    name: ClassVar[str] = "clean_source"
    text: ClassVar[str] = "clean_source"
    words: ClassVar[str] = "the code of its run was committed, and a branch of the remote has it"
    relative: ClassVar[bool] = False

    @classmethod
    def parse(cls, value: Json, where: Where) -> Self:
        """Take ``true``."""
        if value is not True:
            where.refuse("is not true", "write clean_source: true, or take the gate away")
        return cls()

    def check(self, case: Case) -> Verdict:
        """Refuse code that was changed, or that no branch leads to.

        Branches are those of remotes where there are any, for a branch of this clone
        alone is nobody else's; without a remote the branches here.
        """
        source = case.candidate.source
        expected = "committed, and on a branch"
        commit = source.commit
        if commit is None or not _OID.fullmatch(commit):
            return verdict(self, "refuse", "no commit was recorded", expected)
        short = commit[:_SHOWN]
        if source.dirty:
            changed = [visible(path, 60) for path in source.changed[:3]]
            more = f": {', '.join(changed)}" if changed else ""
            told = f"{plural(len(source.changed), 'file')} changed since {short}{more}"
            hint = "commit the code, or let git ignore what is none, and register a run of it"
            return verdict(self, "refuse", told, expected, hint=hint)
        found = case.repository.objects().get(commit)
        if found is None or found.kind != "commit":
            got = f"the commit {short} is not in this repository"
            return verdict(self, "unknown", got, expected, hint="git fetch may bring it")
        branch = self._branch(case, commit)
        if branch is None and (case.repository.common_dir / "shallow").exists():
            got = f"no branch here has {short}, and their history is cut off"
            return verdict(self, "unknown", got, expected, hint="git fetch --unshallow")
        if branch is None:
            hint = "push a branch that has it, and git fetch"
            return verdict(self, "refuse", f"no branch has {short}", expected, hint=hint)
        return verdict(self, "pass", f"{short} on {visible(branch, 80)}", expected)

    def _branch(self, case: Case, commit: str) -> str | None:
        """Return a branch that reaches ``commit``, by one git process or two.

        Those that gitml itself pushes, for reviews and where a host takes nothing but
        branches, are nobody's work: any commit that some run was of may be on one.
        """
        for kind in (_REMOTES, "refs/heads/"):
            listed = case.repository.run(
                "for-each-ref", "--format=%(refname)", f"--contains={commit}", kind
            )
            names = [ref.removeprefix(kind) for ref in listed.decode("utf-8", "replace").split()]
            names = [name for name in names if not name.endswith("/HEAD") and not _ours(name, kind)]
            if names or (kind == _REMOTES and case.repository.refs(kind)):
                return min(names, key=lambda name: (name.count("/"), name), default=None)
        return None


def _ours(name: str, kind: str) -> bool:
    """Say whether gitml pushes a branch; that of a remote has the remote's name in front."""
    return (name.partition("/")[2] if kind == _REMOTES else name).startswith("gitml/")
