"""Rules of the protocols, pure; the one list of those that defilev knows."""

from __future__ import annotations

from defilev.protocols.aave_v3 import AaveV3
from defilev.protocols.contract import AccountsRead, LendingProtocol
from defilev.protocols.morpho_blue import MorphoBlue

__all__ = ["PROTOCOLS", "AccountsRead", "LendingProtocol"]

PROTOCOLS: dict[str, LendingProtocol] = {protocol.name: protocol for protocol in (AaveV3(), MorphoBlue())}
