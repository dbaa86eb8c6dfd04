"""The contracts and functions that transactions may go to on one chain, as data."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from defilev.model.request import Address

__all__ = ["CallList", "ListedContract"]


@dataclass(frozen=True, slots=True)
class ListedContract:
    """One contract, and the signatures of its functions by selector (`0x69328dec`), those of `levering` raise risk.

    `name` is `PROTOCOL/MARKET` for a market's pool. `address` is `None` where every token of the markets is meant.
    """

    role: str
    name: str
    address: Address | None
    functions: Mapping[str, str]
    levering: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class CallList:
    """Everything that may be called on a chain; what is not listed is refused. `source` names the file."""

    chain_id: int
    contracts: tuple[ListedContract, ...]
    source: str

    def selectors(self, role: str, *, levering: bool = False) -> frozenset[bytes]:
        """Return the selectors that are listed for contracts of `role`, with `levering` those that raise risk too."""
        return frozenset(
            bytes.fromhex(selector[2:]) for contract in self.contracts if contract.role == role
            for selector in (*contract.functions, *(contract.levering if levering else ()))
        )  # fmt: skip

    def address(self, role: str, name: str) -> Address | None:
        """Return where the contract of that role and name is, `None` when none is listed."""
        for contract in self.contracts:
            if (contract.role, contract.name) == (role, name):
                return contract.address
        return None
