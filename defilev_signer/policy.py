"""What this signer signs, as values. Bounds that stand here are not loosened by any file."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from fractions import Fraction

__all__ = [
    "ETHER",
    "GWEI",
    "HOUSE",
    "ISOLATED",
    "LEVERING",
    "LIMIT_BOUNDS",
    "LOCAL_CHAIN",
    "MOST_CALLDATA",
    "MOST_GAS",
    "NARROWEST_FLOOR",
    "ROLES",
    "SIDES",
    "SIGNATURES_PER_NONCE",
    "TOKEN",
    "WIDEST_CEILING",
    "Account",
    "Contract",
    "Limits",
    "Policy",
    "Token",
]

GWEI = 10**9
ETHER = 10**18
LOCAL_CHAIN = 31337
"""The one chain on which keys that everybody knows may sign."""

MOST_GAS = 10_000_000
MOST_CALLDATA = 8192
SIGNATURES_PER_NONCE = 20
NARROWEST_FLOOR = Fraction(1, 4)
"""The least part of a token's price that `lowest_sale` may be."""
WIDEST_CEILING = Fraction(2)
"""The most times a token's price that `highest_purchase` may be."""

TOKEN = "token"
HOUSE = "perp-curie-house"
"""Where perpetuals are traded; their margin is in the pool of the same name."""
SIDES = ("long", "short")
ISOLATED = frozenset({"morpho-blue-pool"})
"""Roles of contracts that hold many markets: anyone may make one, so that the policy names those that are meant."""
_AAVE_POOL = frozenset(
    {
        "withdraw(address,uint256,address)",
        "repay(address,uint256,uint256,address)",
        "repayWithATokens(address,uint256,uint256)",
        "supply(address,uint256,address,uint16)",
    }
)
ROLES: Mapping[str, frozenset[str]] = {
    "aave-v3-pool": _AAVE_POOL,
    "sparklend-pool": _AAVE_POOL,
    "morpho-blue-pool": frozenset(
        {
            "withdrawCollateral((address,address,address,address,uint256),uint256,address,address)",
            "withdraw((address,address,address,address,uint256),uint256,uint256,address,address)",
            "repay((address,address,address,address,uint256),uint256,uint256,address,bytes)",
            "supplyCollateral((address,address,address,address,uint256),uint256,address,bytes)",
        }
    ),
    "uniswap-v3-router": frozenset(
        {
            "exactInputSingle((address,address,uint24,address,uint256,uint256,uint160))",
            "exactInput((bytes,address,uint256,uint256))",
        }
    ),
    "perp-curie-pool": frozenset({"depositFor(address,address,uint256)", "withdrawAll(address)"}),
    HOUSE: frozenset(
        {
            "openPosition((address,bool,bool,uint256,uint256,uint256,uint160,bytes32))",
            "closePosition((address,uint160,uint256,uint256,bytes32))",
        }
    ),
    TOKEN: frozenset({"approve(address,uint256)"}),
}
"""The profile `deleverage-only`: what may ever be called, by the contract's role."""
_AAVE_RISK = frozenset({"borrow(address,uint256,uint256,uint16,address)", "supply(address,uint256,address,uint16)"})
LEVERING: Mapping[str, frozenset[str]] = {"aave-v3-pool": _AAVE_RISK, "sparklend-pool": _AAVE_RISK}
"""What may be called beside that where the policy says `may_lever`."""


@dataclass(frozen=True, slots=True)
class Contract:
    """A contract that may be called; `functions` are signatures by selector.

    `markets` are the ids of the isolated markets that may be touched, where the contract has such.
    """

    role: str
    name: str
    functions: Mapping[bytes, str]
    markets: frozenset[str] = frozenset()


@dataclass(frozen=True, slots=True)
class Token:
    """A token that may be touched. Prices are of one whole token, all in the same currency.

    `price` measures amounts against the limits; it is never sold below `lowest_sale`, nor bought above
    `highest_purchase`. `position` is the side of the perpetual whose base it is, `long` or `short`, that may be
    reduced; `None` for a token that is none.
    """

    address: str
    symbol: str
    decimals: int
    price: Fraction
    lowest_sale: Fraction
    highest_purchase: Fraction
    position: str | None = None

    def value(self, amount: int) -> Fraction:
        """Return what `amount` base units are worth at `price`."""
        return Fraction(amount, 10**self.decimals) * self.price


@dataclass(frozen=True, slots=True)
class Account:
    """Who signs, and for whom: `protected` are the accounts whose debt may be repaid, the owner among them.

    `may_close` allows to withdraw everything, an amount that no limit can measure, `may_lever` to borrow for
    the owner.
    """

    owner: str
    protected: frozenset[str]
    may_close: bool
    may_lever: bool = False


@dataclass(frozen=True, slots=True)
class Limits:
    """For one transaction and for any 24 hours. Wei for gas, the tokens' currency for values.

    The values of a day are counted apart for what is withdrawn, what is approved and what is swapped or traded.
    """

    fee_per_gas: int
    transaction_cost: int
    gas_cost_per_day: int
    transactions_per_day: int
    value_per_transaction: Fraction
    value_per_day: Fraction


LIMIT_BOUNDS: Mapping[str, int] = {
    "fee_per_gas": 2000 * GWEI,
    "transaction_cost": ETHER // 2,
    "gas_cost_per_day": 20 * ETHER,
    "transactions_per_day": 10_000,
    "value_per_transaction": 10**12,
    "value_per_day": 10**12,
}
"""The most that a policy file may ask for."""


@dataclass(frozen=True, slots=True)
class Policy:
    """Everything that a transaction is held against; `digest` is the SHA-256 of the file it was read from."""

    chain_id: int
    chain_name: str
    account: Account
    contracts: Mapping[str, Contract]
    tokens: Mapping[str, Token]
    limits: Limits
    digest: str

    def spenders(self) -> frozenset[str]:
        """Return the contracts that may be allowed to take tokens."""
        return frozenset(place for place, contract in self.contracts.items() if contract.role not in (TOKEN, HOUSE))

    def name_of(self, place: str) -> str:
        """Return what the policy calls an address, with the address."""
        if place in self.contracts:
            return f"{self.contracts[place].name} {place}"
        known = "the owner" if place == self.account.owner else "protected" if place in self.account.protected else ""
        return f"{known or 'UNKNOWN'} {place}"
