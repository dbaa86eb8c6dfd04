"""A sequence of actions, applied at the two ends of the time in which it may be included.

Between any two inclusion times the health factor of an account is lowest at one of them: the logarithm of its
collateral is concave in time (linear interest), that of its debt convex (compound interest). So whatever holds at both
ends holds in between.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace

from defilev.model.account import Leg, LendingAccount
from defilev.model.plan import Action, Approve
from defilev.model.request import Address
from defilev.model.token import Token
from defilev.plan.goals import assured_health
from defilev.plan.inputs import SECONDS_PER_STEP, PlanInputs
from defilev.protocols.contract import LendingProtocol
from defilev.units import Wad

__all__ = ["Path", "borrow_of", "start", "supply_of"]


@dataclass(frozen=True, slots=True)
class Path:
    """Actions taken so far, and the account after them.

    `first` is the account if all of them ran at the plan's block, `last` if each ran as late as the plan allows.
    `lowest` is the lowest health factor met on the way at either end, `None` until something was owed after a step.
    `granted` are allowances that stand in the wallet, in base units by token and spender; a plan sets each to zero
    before it grants its own, but for one that is exactly what it would grant. `used` are those taken as they stand.
    """

    protocol: LendingProtocol
    first: LendingAccount
    last: LendingAccount
    actions: tuple[Action, ...]
    window: int
    granted: Mapping[tuple[Address, Address], int]
    lowest: Wad | None = None
    used: tuple[tuple[Token, Address], ...] = ()

    @property
    def started_at(self) -> int:
        """The timestamp of the plan's block."""
        return self.first.block.timestamp

    def nominal_time(self, index: int) -> int:
        """Return when step `index` runs if the plan starts at once."""
        return self.started_at + SECONDS_PER_STEP * (index + 1)

    def latest_time(self, index: int) -> int:
        """Return when step `index` runs if it is as late as the plan allows."""
        return self.nominal_time(index) + self.window

    def at_latest(self, *, steps_ahead: int) -> LendingAccount:
        """Return the account when nothing more happens until so many more steps would have run at their latest."""
        return self.protocol.project(self.last, at=self.latest_time(len(self.actions) + steps_ahead - 1))

    def then(self, *actions: Action) -> Path:
        """Return the path with `actions` added; raises `Infeasible` when the protocol would refuse one."""
        path = self
        for action in actions:
            path = path._then(action)
        return path

    def _then(self, action: Action) -> Path:
        late = self.latest_time(len(self.actions))
        first = self.protocol.apply(self.first, action, at=self.started_at)
        last = self.protocol.apply(self.last, action, at=late)
        lowest = _lowest([self.lowest, assured_health(first), assured_health(last)])
        return replace(self, first=first, last=last, actions=(*self.actions, action), lowest=lowest)

    def since(self) -> Path:
        """Return the same path with its lowest health factor forgotten, so that what follows can be judged alone."""
        return replace(self, lowest=None)

    def approve(self, asset: Token, spender: Address, spender_name: str, amount: int) -> Path:
        """Return the path with an allowance of exactly `amount`, after clearing another that stands already."""
        key = (asset.address, spender)
        standing = self.granted.get(key, 0)
        if not standing:
            return self.then(Approve(asset, spender, spender_name, amount))
        path = replace(self, granted={other: held for other, held in self.granted.items() if other != key})
        if standing == amount:
            return replace(path, used=(*self.used, (asset, spender)))
        return path.then(Approve(asset, spender, spender_name, 0), Approve(asset, spender, spender_name, amount))

    def health_factor(self) -> Wad | None:
        """Return the lower health factor of the two ends, however values are rounded; `None` when nothing is owed."""
        return _lowest([assured_health(self.first), assured_health(self.last)])


def _lowest(healths: Iterable[Wad | None]) -> Wad | None:
    return min((health for health in healths if health is not None), default=None)


def start(inputs: PlanInputs) -> Path:
    """Return the path without any action."""
    granted = {(held.token.address, held.spender): held.amount for held in inputs.wallet.allowances if held.amount > 0}
    return Path(inputs.protocol, inputs.account, inputs.account, (), inputs.window, granted)


def supply_of(account: LendingAccount, asset: Address) -> int:
    """Return the base units of `asset` supplied."""
    return _amount(leg for leg in account.legs if leg.side == "supply" and leg.asset.address == asset)


def borrow_of(account: LendingAccount, asset: Address) -> int:
    """Return the base units of `asset` owed."""
    return _amount(leg for leg in account.legs if leg.side == "borrow" and leg.asset.address == asset)


def _amount(legs: Iterable[Leg]) -> int:
    return sum(leg.amount for leg in legs)
