"""``gitml import``: the group of commands that take over what other tools hold."""

from __future__ import annotations

from gitml.commands.options import Subcommand, group

SUBCOMMANDS = {
    "gto": Subcommand("gitml.commands.import_gto", "Take over the models that GTO's tags tell of."),
}


@group(
    name="import",
    table=SUBCOMMANDS,
    examples=["gitml import gto", "gitml import gto churn --dry-run"],
    exits=[3, 4, 5, 6, 7, 8, 9],
)
def import_() -> None:
    """Take over what another tool has recorded."""
