"""What nodes of different makes say when a call reverts, or when a block or its state is gone."""

from __future__ import annotations

import re

from defilev.errors import RpcError, RpcRejected

__all__ = ["lacks", "may_differ", "revert_data"]

_REVERTED = re.compile(r"revert|invalid opcode|InvalidFEOpcode|OpcodeNotFound|VM execution error", re.IGNORECASE)
_UNAVAILABLE = re.compile(
    r"missing trie node|historical state|state .{0,40}(?:not available|unavailable|pruned)"
    r"|header (?:for hash )?not found"
    r"|not currently canonical"
    r"|(?:unknown|invalid) block|block .{0,90}(?:not found|does not exist|out of range)|BlockOutOfRange"
    r"|block height is \d+ but requested|resource not found|pruned|no state available|archive|distance to target block"
    r"|before .{0,20}genesis|ancient",
    re.IGNORECASE,
)
_HEX = re.compile(r"0x(?:[0-9a-fA-F]{2})*")
_RESOURCE_NOT_FOUND = -32001
_INTERNAL_ERROR = -32603


def revert_data(rejected: RpcRejected) -> bytes | None:
    """Return the revert data in an error, empty when it names none; `None` when the call did not revert.

    geth, anvil, erigon, reth and besu put hex into `data`; parity and nethermind write `Reverted 0x…`; hardhat nests an
    object. An abort without data (an invalid opcode) is a revert with empty data; a limit of the node is not a revert.
    """
    data = _hex_in(rejected.facts.get("data"))
    message = str(rejected.facts.get("message"))
    is_revert = rejected.facts.get("code") == 3 or _REVERTED.search(message) is not None
    return (data or b"") if is_revert else None


def lacks(rejected: RpcRejected) -> bool:
    """Return whether an error says that the node does not have the block on its chain, or no longer its state."""
    is_code = rejected.facts.get("code") == _RESOURCE_NOT_FOUND
    says_so = is_code or _UNAVAILABLE.search(str(rejected.facts.get("message"))) is not None
    return says_so and revert_data(rejected) is None


def may_differ(error: RpcError) -> bool:
    """Return whether another node may answer where this one failed: the fault is the node's, not the question's."""
    if error.kind != "refused":
        return True
    if not isinstance(error, RpcRejected) or revert_data(error) is not None:
        return False
    return lacks(error) or error.facts.get("code") == _INTERNAL_ERROR


def _hex_in(data: object) -> bytes | None:
    if isinstance(data, dict):
        return _hex_in(data.get("data"))
    if isinstance(data, str) and (found := _HEX.search(data)):
        return bytes.fromhex(found[0][2:])
    return None
