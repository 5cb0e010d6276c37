"""Models: versions, stages, the policy that guards them, review, audit, lineage."""
