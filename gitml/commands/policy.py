"""``gitml policy``: the group of commands about what it takes to enter a stage."""

from __future__ import annotations

from gitml.commands.options import Subcommand, group

SUBCOMMANDS: dict[str, Subcommand] = {
    "check": Subcommand(
        "gitml.commands.policy_check",
        "Check .gitml/policy.yaml, before it is committed.",
    ),
    "explain": Subcommand(
        "gitml.commands.policy_explain",
        "Show which gates a stage has, and what they say of a version.",
    ),
}
"""Subcommands by name; ``NAME`` is in the module ``gitml.commands.policy_NAME``."""


@group(
    table=SUBCOMMANDS,
    examples=["gitml policy check", "gitml policy explain churn production v1.2.0"],
    exits=[3, 5, 6, 8],
)
def policy() -> None:
    """Check and explain the policy of stages."""
