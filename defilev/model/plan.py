"""A plan: ordered transactions with static calldata, what they promise, and how to tell that they kept it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from decimal import Decimal
from typing import Any, ClassVar, Literal

from defilev.model.account import Notice
from defilev.model.action import (
    Action,
    Approve,
    Borrow,
    Execute,
    Hop,
    Reduce,
    Repay,
    RepayWithSupply,
    SetCollateral,
    SetEMode,
    Supply,
    Swap,
    Unwind,
    Withdraw,
)
from defilev.model.explained import Bound, LiquidationPrice
from defilev.model.flow import FlowValue
from defilev.model.request import Address, Block
from defilev.model.token import MOST_DECIMALS, Token
from defilev.units import Wad

__all__ = [
    "Action",
    "Approve",
    "Borrow",
    "ConditionKind",
    "Execute",
    "Goal",
    "Hop",
    "Plan",
    "PlanCost",
    "PostCondition",
    "Promise",
    "Reduce",
    "Repay",
    "RepayWithSupply",
    "SetCollateral",
    "SetEMode",
    "Step",
    "Supply",
    "Swap",
    "Unwind",
    "Withdraw",
]


@dataclass(frozen=True, slots=True)
class Step:
    """One transaction of a plan; `index` counts from one.

    `data` is the calldata as hex, `function` and `arguments` its decoded form. `health_factor` is the one predicted
    right after it, for the worst allowed fills, at the time `at`; `None` when nothing is owed then.
    """

    index: int
    action: Action | Execute
    to: Address
    contract: str
    value: int
    data: str
    function: str
    arguments: tuple[tuple[str, str], ...]
    health_factor: Wad | None
    at: int
    gas_limit: int

    @property
    def actions(self) -> tuple[Action, ...]:
        """What the transaction does: one thing, or all that a Safe is made to do by it."""
        return self.action.actions if isinstance(self.action, Execute) else (self.action,)


@dataclass(frozen=True, slots=True)
class Goal:
    """What was asked for; `value` is the health factor, leverage or (perpetuals) margin ratio, `None` for `close`.

    For `swap-collateral` and `swap-debt`, `replaced` and `replacement` are assets by symbol or address, and `value` is
    how many whole tokens are replaced, `None` for all. For `e-mode` it is the category, 0 for none.
    """

    kind: Literal["health-factor", "leverage", "close", "margin-ratio", "swap-collateral", "swap-debt", "e-mode"]
    value: Decimal | None
    replaced: str = ""
    replacement: str = ""

    @property
    def rearranges(self) -> bool:
        """Whether it changes what a position is made of, and not how much is owed against it."""
        return self.kind in ("swap-collateral", "swap-debt", "e-mode")


ConditionKind = Literal[
    "health-factor-at-least", "margin-ratio-at-least", "debt-at-most", "debt-at-least", "collateral-at-least",
    "balance-at-least", "no-debt", "no-collateral", "allowance-zero", "e-mode-is",
]  # fmt: skip
_SPOKEN_OF: Mapping[str, tuple[str, ...]] = {
    "health-factor-at-least": ("limit",),
    "debt-at-most": ("limit", "token"),
    "debt-at-least": ("limit", "token"),
    "collateral-at-least": ("limit", "token"),
    "no-debt": (),
    "no-collateral": (),
    "allowance-zero": ("token", "spender"),
    "balance-at-least": ("limit", "token"),
    "margin-ratio-at-least": ("limit",),
    "e-mode-is": ("limit",),
}


@dataclass(frozen=True, slots=True)
class PostCondition:
    """Something that must hold after the last step.

    kinds: `health-factor-at-least` (wad), `debt-at-most` and `collateral-at-least` (base units of `token`),
    `debt-at-least` (of a short that is reduced and not turned around, base units of `token`),
    `no-debt`, `no-collateral`, `allowance-zero` (of `token` to `spender`), `balance-at-least` (of `token`, in wallet),
    `margin-ratio-at-least` (wad, of perpetuals), `e-mode-is` (the category, 0 for none).
    """

    kind: ConditionKind
    limit: int | None = None
    token: Token | None = None
    spender: Address | None = None

    def __post_init__(self) -> None:
        """Raise `ValueError` when something that the kind speaks of is missing."""
        missing = [name for name in _SPOKEN_OF[self.kind] if getattr(self, name) is None]
        if missing:
            raise ValueError(f"{self.kind} needs {' and '.join(missing)}")


@dataclass(frozen=True, slots=True)
class Promise:
    """The state after the last step for the worst allowed fills, at the latest time the plan may end.

    Values are in quote base units. `health_factor` and `leverage` are `None` when nothing is owed.
    """

    health_factor: Wad | None
    leverage: Decimal | None
    collateral_value: int
    debt_value: int
    lowest_health_factor: Wad | None


@dataclass(frozen=True, slots=True)
class PlanCost:
    """What the plan costs in quote base units: at the quoted prices, at the worst allowed ones, and its gas.

    `gas` is the sum of the gas limits, `gas_price` in wei; `gas_value` is `None` when the market has no price for the
    native asset. `minutes` is how long the transactions take one after another. `fee` is the part of `expected` that
    goes to the pools by their fee tiers, rounded up, and `impact` the rest: what the price moves against the sale, less
    what the venue pays over the oracle, so it may be negative. Both are `None` where a venue does not tell them apart.
    """

    expected: int
    worst: int
    gas: int
    gas_price: int
    gas_value: int | None
    transactions: int
    signatures: int
    minutes: Decimal
    fee: int | None = None
    impact: int | None = None


@dataclass(frozen=True, slots=True)
class Plan(FlowValue):
    """An executable, hashable description of what to do; data, never authority.

    `label` is empty, or says in words that the plan does less than the goal (`PARTIAL …`). `floor` is the lowest
    health factor allowed on the way. `expires_at_block` binds the first signature. `nonce` is the actor's at `block`.
    `payer` signs, pays the gas and repays from a wallet of its own on the owner's behalf; the owner when it is `None`.
    `quote` is the currency of all values and `market_label` what people call the market, as in the account.
    `collateral_value_before` and `debt_value_before` are in quote base units; with `bound_by` they are `None`, and
    `liquidation_prices` empty, in a plan of a version that did not say. `liquidation_prices` are empty for perpetuals.
    `hash` is the sha256 of the canonical JSON of everything else.
    """

    SCHEMA: ClassVar[str] = "defilev/plan@1"

    chain_id: int
    block: Block
    protocol: str
    market: str
    owner: Address
    goal: Goal
    label: str
    health_factor_before: Wad | None
    leverage_before: Decimal | None
    floor: Wad
    max_slippage: Decimal
    steps: tuple[Step, ...]
    promise: Promise
    post_conditions: tuple[PostCondition, ...]
    cost: PlanCost
    quote_decimals: int
    expires_at_block: int
    expires_at: int
    nonce: int
    warnings: tuple[Notice, ...]
    quote: str = "USD"
    market_label: str = ""
    payer: Address | None = None
    collateral_value_before: int | None = None
    debt_value_before: int | None = None
    liquidation_prices: tuple[LiquidationPrice, ...] = ()
    bound_by: Bound | None = None
    hash: str = ""

    def __post_init__(self) -> None:
        """Raise `ValueError` when `quote_decimals` are not those of a contract."""
        if not 0 <= self.quote_decimals <= MOST_DECIMALS:
            raise ValueError(f"a quote has at most {MOST_DECIMALS} decimal places")

    @classmethod
    def from_document(cls, document: Any) -> Plan:
        """Return the plan once its hash matches; raises `PlanUnreadable` or `PlanTampered`."""
        from defilev.model.plan_hash import plan_from

        return plan_from(document)

    @property
    def actor(self) -> Address:
        """The account that signs every transaction."""
        return self.payer or self.owner

    @property
    def levers(self) -> bool:
        """Whether a step borrows."""
        return any(isinstance(action, Borrow) for step in self.steps for action in step.actions)

    @property
    def may_lower_health(self) -> bool:
        """Whether a lower health factor than before is what was asked for; the floor holds all the same."""
        return self.levers or self.goal.rearranges

    @property
    def tokens(self) -> tuple[Token, ...]:
        """Every token that a step moves or a post-condition speaks of, each once."""
        named: list[Token] = []
        for action in (action for step in self.steps for action in step.actions):
            if isinstance(action, Swap):
                named += [token for hop in action.route for token in (hop.token_in, hop.token_out)]
            elif isinstance(action, Unwind):
                named += [action.asset, action.collateral]
            elif not isinstance(action, SetEMode):
                named.append(action.asset)
        named += [condition.token for condition in self.post_conditions if condition.token]
        return tuple(dict.fromkeys(named))

    @property
    def unwinds(self) -> bool:
        """Whether a step goes through the executor's contract."""
        return any(isinstance(action, Unwind) for step in self.steps for action in step.actions)

    @property
    def grants(self) -> tuple[tuple[Token, Address], ...]:
        """Every allowance that a step grants or a post-condition speaks of, as token and spender."""
        approved = [(action.asset, action.spender) for step in self.steps for action in step.actions
                    if isinstance(action, Approve)]  # fmt: skip
        checked = [(each.token, each.spender) for each in self.post_conditions if each.token and each.spender]
        return tuple(dict.fromkeys(approved + checked))
