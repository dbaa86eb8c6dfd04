"""The rows of the fault matrix that are tried, by group; `ROWS` has them all by name."""

from tests.chaos.rows import crash, journal, policy, secrets
from tests.chaos.rows.registry import Mutant, Row, Seen, Stage

__all__ = ["ROWS", "Mutant", "Row", "Seen", "Stage"]

ROWS: dict[str, Row] = {row.name: row for group in (crash, journal, policy, secrets) for row in group.ROWS}
