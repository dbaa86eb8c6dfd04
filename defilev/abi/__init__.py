"""The contract ABI: selectors, encoding, decoding, revert reasons. Pure; reads no chain."""

from defilev.abi.address import checksum, parse_address
from defilev.abi.codec import decode, encode
from defilev.abi.executor import executor_code
from defilev.abi.function import Error, Function, Interface
from defilev.abi.hashing import keccak
from defilev.abi.interface import interface
from defilev.abi.revert import revert_reason
from defilev.abi.transaction import Transaction

__all__ = [
    "Error",
    "Function",
    "Interface",
    "Transaction",
    "checksum",
    "decode",
    "encode",
    "executor_code",
    "interface",
    "keccak",
    "parse_address",
    "revert_reason",
]
