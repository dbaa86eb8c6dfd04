"""The rows of the fault matrix that are tried, by group; `ROWS` has them all by name."""

from tests.chaos.rows import (
    answers,
    blocks,
    crash,
    journal,
    market,
    mempool,
    nodes,
    oracle,
    policy,
    reserves,
    secrets,
    trading,
)
from tests.chaos.rows.registry import Mutant, Row, Seen, Stage

__all__ = ["CRASHES", "REORGANISATIONS", "ROWS", "Mutant", "Row", "Seen", "Stage"]

CRASHES = ("F1", "F2", "F3")
"""The rows of kills, which are counted together."""

REORGANISATIONS = ("F43", "F44")
"""The rows whose trials take many blocks, so that few are run on one chain."""

GROUPS = (crash, journal, mempool, nodes, answers, market, oracle, trading, reserves, blocks, policy, secrets)
ROWS: dict[str, Row] = {row.name: row for group in GROUPS for row in group.ROWS}
