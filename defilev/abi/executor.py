"""The executor's code as it travels with the package."""

from __future__ import annotations

import json
from functools import cache

from defilev.abi.address import parse_address
from defilev.abi.interface import abi_text
from defilev.model.executor import ExecutorCode

__all__ = ["executor_code"]


@cache
def executor_code() -> ExecutorCode:
    """Return what `abis/leverage_executor_code.json` says of the contract."""
    document = json.loads(abi_text("leverage_executor_code"))
    return ExecutorCode(
        address=parse_address(document["address"]),
        factory=parse_address(document["factory"]),
        salt=bytes.fromhex(document["salt"][2:]),
        creation_code=bytes.fromhex(document["creation_code"][2:]),
        runtime_hash=bytes.fromhex(document["runtime_hash"][2:]),
    )
