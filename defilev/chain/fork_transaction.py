"""A transaction to try, unsigned, in the fields that nodes take."""

from __future__ import annotations

from dataclasses import dataclass

from defilev.chain.quantity import to_hex
from defilev.model.request import Address

__all__ = ["ForkTransaction"]


@dataclass(frozen=True, slots=True)
class ForkTransaction:
    """A transaction to try on a fork; fees in wei per gas, `value` in wei."""

    sender: Address
    to: Address
    data: bytes
    gas_limit: int
    max_fee_per_gas: int
    max_priority_fee_per_gas: int
    value: int = 0

    def fields(self) -> dict[str, str]:
        """Return it as `eth_sendTransaction` and `eth_simulateV1` take it."""
        return {
            "from": self.sender,
            "to": self.to,
            "input": to_hex(self.data),
            "gas": to_hex(self.gas_limit),
            "maxFeePerGas": to_hex(self.max_fee_per_gas),
            "maxPriorityFeePerGas": to_hex(self.max_priority_fee_per_gas),
            "value": to_hex(self.value),
        }
