"""Plans that raise leverage in the hand-made market: its totals behind the pool's own calls, and no chain."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from decimal import Decimal

from defilev.abi import encode, interface
from defilev.model.plan import Plan
from defilev.model.request import Batch, Call, CallResult
from defilev.model.token import Token
from defilev.observe.drive import drive
from defilev.plan import LeverInputs, PlanInputs, plan_levering
from defilev.risk.prices import PriceLimits
from tests.support.markets import AAVE, POOL, deep_pools
from tests.support.pools import Pools

__all__ = ["Totals", "lever_plan"]

WORDS = 15
TREASURY, ISOLATED = 12, 14


@dataclass
class Totals:
    """What all have in the market, by token: scaled units supplied as well as owed, the treasury's, isolated debt."""

    pools: Pools = field(default_factory=deep_pools)
    scaled: Mapping[Token, int] = field(default_factory=dict)
    treasury: Mapping[Token, int] = field(default_factory=dict)
    isolated: Mapping[Token, int] = field(default_factory=dict)

    def fetch(self, batch: Batch) -> list[CallResult]:
        """Answer a batch as a node does."""
        return [self._answer(call) or self.pools.fetch([call])[0] for call in batch]

    def _answer(self, call: Call) -> CallResult | None:
        data = interface("aave_v3_pool")["getReserveData"]
        if call.to == POOL and call.data[:4] == data.selector:
            (asset,) = data.decode_arguments(call.data).values()
            words = [0] * WORDS
            words[TREASURY], words[ISOLATED] = _of(self.treasury, asset), _of(self.isolated, asset)
            return _numbers(words)
        if call.data[:4] == interface("aave_v3_scaled_token")["scaledTotalSupply"].selector:
            return _numbers([_of(self.scaled, call.to)])
        if call.data[:4] == interface("aave_v3_rate_strategy")["getTotalSupplyAndAvgRate"].selector:
            return CallResult(success=False, data=b"")
        return None


def _of(amounts: Mapping[Token, int], address: str) -> int:
    return next((amount for token, amount in amounts.items() if token.address == address), 0)


def _numbers(values: list[int]) -> CallResult:
    return CallResult(success=True, data=encode(["uint256"] * len(values), values))


def lever_plan(
    inputs: PlanInputs, totals: Totals | None = None, *, max_leverage: str | None = None, stale_after: int = 3600
) -> Plan:
    """Return the plan that raises leverage, its questions answered by `totals`."""
    asked = LeverInputs(inputs, AAVE, PriceLimits(stale_after), Decimal(max_leverage) if max_leverage else None)
    return drive(plan_levering(asked), (totals or Totals()).fetch)
