"""What one transaction of a plan does."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from defilev.model.request import Address
from defilev.model.token import Token

__all__ = [
    "Action",
    "Approve",
    "Borrow",
    "Enforced",
    "Execute",
    "Hop",
    "Reduce",
    "Repay",
    "RepayWithSupply",
    "SetCollateral",
    "SetEMode",
    "Supply",
    "Swap",
    "Unwind",
    "Withdraw",
]


@dataclass(frozen=True, slots=True)
class Supply:
    """Supply `amount` base units."""

    asset: Token
    amount: int
    kind: Literal["supply"] = "supply"


@dataclass(frozen=True, slots=True)
class Withdraw:
    """Withdraw `amount` base units; `None` is everything there is when it runs."""

    asset: Token
    amount: int | None
    kind: Literal["withdraw"] = "withdraw"


@dataclass(frozen=True, slots=True)
class Borrow:
    """Borrow `amount` base units at the variable rate."""

    asset: Token
    amount: int
    kind: Literal["borrow"] = "borrow"


@dataclass(frozen=True, slots=True)
class Repay:
    """Repay `amount` base units; `None` is everything owed when it runs.

    With `shares` it repays exactly so many shares of debt, in the unit in which the market counts it, and `amount` is
    the most that this may take.
    """

    asset: Token
    amount: int | None
    kind: Literal["repay"] = "repay"
    shares: int | None = None


@dataclass(frozen=True, slots=True)
class Approve:
    """Let `spender` take exactly `amount` base units."""

    asset: Token
    spender: Address
    spender_name: str
    amount: int
    kind: Literal["approve"] = "approve"


@dataclass(frozen=True, slots=True)
class Hop:
    """One pool on a route; `fee` in hundredths of a basis point, as Uniswap v3 names its tiers."""

    token_in: Token
    token_out: Token
    fee: int
    pool: Address


@dataclass(frozen=True, slots=True)
class Swap:
    """Sell exactly `amount_in` along `route` for at least `minimum_out`; `quoted_out` is what the venue offered."""

    route: tuple[Hop, ...]
    amount_in: int
    minimum_out: int
    quoted_out: int
    kind: Literal["swap"] = "swap"


@dataclass(frozen=True, slots=True)
class Reduce:
    """Bring a perpetual position nearer to nothing: sell `amount` base units of a long, or buy back those of a short.

    `None` is the whole position, whatever it is when it runs. `quote_limit` is what the sale brings at least, or the
    purchase costs at most, in base units of `quote`, fees included; after the Unix time `deadline` it reverts.
    """

    asset: Token
    side: Literal["long", "short"]
    amount: int | None
    quote_limit: int
    deadline: int
    quote: Token
    kind: Literal["reduce"] = "reduce"


@dataclass(frozen=True, slots=True)
class RepayWithSupply:
    """Repay `amount` base units with what is supplied of the same asset: nothing passes through the wallet.

    `None` is all that is supplied, or all that is owed if that is less, when it runs.
    """

    asset: Token
    amount: int | None
    kind: Literal["repay-with-supply"] = "repay-with-supply"


@dataclass(frozen=True, slots=True)
class SetCollateral:
    """Let what is supplied of `asset` count as collateral, or no more."""

    asset: Token
    enabled: bool
    kind: Literal["set-collateral"] = "set-collateral"


@dataclass(frozen=True, slots=True)
class SetEMode:
    """Enter the efficiency mode `category`, or leave the present one for none with 0; `label` is only shown."""

    category: int
    label: str
    kind: Literal["set-e-mode"] = "set-e-mode"


@dataclass(frozen=True, slots=True)
class Enforced:
    """What the executor's contract asserts at the end of its call, which reverts unless all of it holds.

    `health_factor` is the least, in wad; `debt` the most that is owed and `collateral` the least that is supplied, in
    base units; `deadline` the last second and `last_block` the last block in which it may be included.
    """

    health_factor: int
    debt: int
    collateral: int
    deadline: int
    last_block: int


@dataclass(frozen=True, slots=True)
class Unwind:
    """Less debt in one call of the executor: borrow, repay, take collateral out, sell as little as pays it back.

    `amount` base units of `asset` are borrowed for the moment and repaid, as far as that is owed; `fee` is the most
    that the lender takes for it. `taken` is what leaves the position, through `receipt`, the token that stands for what
    is supplied; at most `limit` of it is sold along `route`, and what is not sold goes to the wallet. `quoted` is the
    most that is sold at the prices of the plan's block.
    """

    asset: Token
    amount: int
    collateral: Token
    receipt: Token
    taken: int
    limit: int
    quoted: int
    route: tuple[Hop, ...]
    lender: Address
    lender_name: str
    fee: int
    enforced: Enforced
    executor: Address
    kind: Literal["unwind"] = "unwind"


Action = (
    Supply | Withdraw | Borrow | Repay | Approve | Swap | Reduce | RepayWithSupply | SetCollateral | SetEMode | Unwind
)


@dataclass(frozen=True, slots=True)
class Execute:
    """Let a Safe do `actions` as one, by the transaction whose hash enough of its owners have signed."""

    safe: Address
    transaction_hash: str
    actions: tuple[Action, ...]
    kind: Literal["execute"] = "execute"
