"""The gates of a policy: a file with one class each, and a line in `GATES`.

A gate is a value that `Gate.parse` makes of what the policy file says, and whose
`Gate.check` judges a `Case`: pass, refuse, cannot tell or pending, with what
was got and what was expected. What is not there to be judged is refused.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from gitml.names import nearest, visible
from gitml.registry.gates.all_ import All
from gitml.registry.gates.any_ import Any
from gitml.registry.gates.base import Case, Gate, PolicyError, ReviewAnswer
from gitml.registry.gates.clean_source import CleanSource
from gitml.registry.gates.from_stage import FromStage
from gitml.registry.gates.lineage import Lineage
from gitml.registry.gates.metric import Metric
from gitml.registry.gates.registered_by import RegisteredBy
from gitml.registry.gates.reproduced import Reproduced
from gitml.registry.gates.review import Review
from gitml.registry.gates.signature import Signature
from gitml.registry.gates.signed_by import SignedBy
from gitml.registry.gates.unsafe_allow import UnsafeAllow

if TYPE_CHECKING:
    from gitml.model import Json
    from gitml.registry.gates.base import Where

__all__ = ["GATES", "Case", "Gate", "PolicyError", "ReviewAnswer", "read_gate"]

GATES: dict[str, type[Gate]] = {
    gate.name: gate
    for gate in (
        Metric,
        FromStage,
        CleanSource,
        Lineage,
        RegisteredBy,
        SignedBy,
        Reproduced,
        Signature,
        Review,
        Any,
        All,
        UnsafeAllow,
    )
}


DEPTH = 12
"""Keys and positions above a gate: tags keep the verdicts of at most eight levels."""


def read_gate(value: Json, where: Where) -> Gate:
    """Return the gate that an item of a list describes; raise `PolicyError` with its place."""
    if len(where.path) > DEPTH:
        where.refuse("stands too deep", "write gates with fewer any and all around them")
    if not isinstance(value, dict) or len(value) != 1:
        if isinstance(value, dict) and len(value) > 1:
            several = " and ".join(visible(str(key), 40) for key in value)
            where.refuse(f"holds {several}", "start each gate with a - of its own")
        where.refuse("is not a gate", "a gate is a name and a value: metric: metrics.auc >= 0.85")
    ((name, setting),) = value.items()
    found = GATES.get(name) if isinstance(name, str) else None
    if found is None:
        close = " or ".join(nearest(str(name), GATES))
        hint = f"did you mean {close}?" if close else f"the gates are {', '.join(GATES)}"
        where.below(str(name)).refuse("is not the name of a gate", hint)
    return found.parse(setting, where.below(name))
