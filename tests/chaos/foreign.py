"""Transactions of the owner's key that defilev did not make: another program with the same key, or the owner."""

from __future__ import annotations

from eth_account import Account

from defilev.abi import keccak
from tests.chaos.arena import Arena

__all__ = ["GWEI", "transfer"]

GWEI = 10**9


def transfer(arena: Arena, *, nonce: int, fee: int = 10 * GWEI, tip: int = GWEI) -> tuple[str, str]:
    """Sign a transfer of nothing to the owner; return its bytes and its hash. Fees in wei per gas."""
    fields = {
        "type": 2, "chainId": arena.world.chain_id, "nonce": nonce, "to": arena.owner, "value": 0, "gas": 21_000,
        "maxFeePerGas": fee, "maxPriorityFeePerGas": tip,
    }  # fmt: skip
    raw = bytes(Account.sign_transaction(fields, arena.key).raw_transaction)
    return "0x" + raw.hex(), "0x" + keccak(raw).hex()
