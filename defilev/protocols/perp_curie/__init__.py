"""Perp v2 "Curie": perpetuals on virtual Uniswap pools, all markets of an owner on one margin."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from defilev.abi import Interface, interface
from defilev.model.abilities import Abilities
from defilev.model.book import MarketEntry
from defilev.model.exposure import Exposure
from defilev.model.perp import PerpAccount
from defilev.model.request import Address, Block, Read
from defilev.protocols.contract import PerpsRead
from defilev.protocols.perp_curie import forms
from defilev.protocols.perp_curie.account import PROTOCOL
from defilev.protocols.perp_curie.acting import ABILITIES, PERP_CURIE_LOANS
from defilev.protocols.perp_curie.read import identify, read_accounts
from defilev.protocols.perp_curie.state import CurieState

__all__ = ["PERP_CURIE", "PERP_CURIE_LOANS"]


@dataclass(frozen=True, slots=True)
class PerpCurie:
    """Perp v2 as a `PerpProtocol`."""

    name: str = PROTOCOL
    abilities: Abilities = ABILITIES
    state_type: type = CurieState

    def read_accounts(
        self,
        market: MarketEntry,
        owners: Sequence[Address],
        *,
        chain_id: int,
        block: Block,
        metadata: Mapping[str, Any] | None = None,
    ) -> Read[PerpsRead]:
        """See `read.read_accounts`."""
        return read_accounts(market, owners, chain_id=chain_id, block=block, metadata=metadata)

    def identify(self, entry: MarketEntry) -> Read[None]:
        """See `read.identify`."""
        return identify(entry)

    def exposure(self, account: PerpAccount, *, stable: frozenset[Address]) -> Exposure:
        """See `forms.exposure`."""
        return forms.exposure(account, stable=stable)

    def interfaces(self) -> tuple[Interface, ...]:
        """Return the contracts' interface; their errors are short messages."""
        return (interface("perp_curie"),)


PERP_CURIE = PerpCurie()
