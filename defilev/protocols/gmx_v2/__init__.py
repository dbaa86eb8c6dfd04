"""GMX v2: isolated perpetual positions, opened and closed by orders that keepers execute. Reading only."""

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
from defilev.protocols.gmx_v2 import forms
from defilev.protocols.gmx_v2.account import PROTOCOL
from defilev.protocols.gmx_v2.read import identify, read_accounts
from defilev.protocols.gmx_v2.state import PositionState
from defilev.protocols.gmx_v2.tickers import Tickers

__all__ = ["GMX_V2"]

ABILITIES = Abilities(plans=False, broadcasts="no", self_check="exact", versions=("v2.2",))


@dataclass(frozen=True, slots=True)
class GmxV2:
    """GMX v2 as a `PerpProtocol`; the prices of `tickers` come before the on-chain feeds' where it has them."""

    name: str = PROTOCOL
    abilities: Abilities = ABILITIES
    state_type: type = PositionState
    tickers: Tickers | None = None

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
        return read_accounts(market, owners, chain_id=chain_id, block=block, metadata=metadata, tickers=self.tickers)

    def identify(self, entry: MarketEntry) -> Read[None]:
        """See `read.identify`."""
        return identify(entry)

    def exposure(self, account: PerpAccount, *, stable: frozenset[Address]) -> Exposure:
        """See `forms.exposure`."""
        return forms.exposure(account, stable=stable)

    def interfaces(self) -> tuple[Interface, ...]:
        """Return the Reader's interface."""
        return (interface("gmx_reader"),)


GMX_V2 = GmxV2()
