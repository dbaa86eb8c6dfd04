"""Rules of the protocols, pure; the one list of those that defilev knows, lenders and perpetuals."""

from __future__ import annotations

from collections.abc import Mapping

from defilev.protocols.aave_v3 import AAVE_V3
from defilev.protocols.compound_v3 import COMPOUND_V3
from defilev.protocols.contract import (
    AccountsRead,
    ActingProtocol,
    LendingProtocol,
    PerpActing,
    PerpProtocol,
    PerpsRead,
)
from defilev.protocols.gmx_v2 import GMX_V2
from defilev.protocols.levering import LeveringProtocol
from defilev.protocols.morpho_blue import MorphoBlue
from defilev.protocols.perp_curie import PERP_CURIE, PERP_CURIE_LOANS
from defilev.protocols.rearranging import RearrangingProtocol
from defilev.protocols.sparklend import SPARKLEND

__all__ = [
    "ACTING",
    "LEVERING",
    "PERPS",
    "PERPS_AS_LOANS",
    "PROTOCOLS",
    "REARRANGING",
    "AccountsRead",
    "ActingProtocol",
    "LendingProtocol",
    "LeveringProtocol",
    "PerpActing",
    "PerpProtocol",
    "PerpsRead",
    "RearrangingProtocol",
]

_ALL: tuple[LendingProtocol, ...] = (AAVE_V3, SPARKLEND, MorphoBlue(), COMPOUND_V3)
PROTOCOLS = {protocol.name: protocol for protocol in _ALL}

_LEVERING: tuple[LeveringProtocol, ...] = (AAVE_V3, SPARKLEND)
LEVERING = {protocol.name: protocol for protocol in _LEVERING}
"""Where leverage can be raised."""

_REARRANGING: tuple[RearrangingProtocol, ...] = (AAVE_V3, SPARKLEND)
REARRANGING = {protocol.name: protocol for protocol in _REARRANGING}
"""Where one asset can take another's place in a position, and e-modes can be changed."""

_PERPS: tuple[PerpProtocol, ...] = (GMX_V2, PERP_CURIE)
PERPS = {protocol.name: protocol for protocol in _PERPS}

_AS_LOANS: tuple[PerpActing, ...] = (PERP_CURIE_LOANS,)
PERPS_AS_LOANS = {protocol.name: protocol for protocol in _AS_LOANS}
"""Perpetuals that can be acted on, each account as the loan that it is."""

ACTING: Mapping[str, ActingProtocol] = {**PROTOCOLS, **PERPS_AS_LOANS}
"""Everything that plans can be made for."""
