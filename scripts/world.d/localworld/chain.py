"""What a deploy step does to the chain: send, call, create, and run a constructor at a chosen address."""

import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from eth_abi.abi import decode, encode
from eth_abi.grammar import TupleType, parse
from eth_utils.address import to_checksum_address
from eth_utils.crypto import keccak

from localworld.errors import WorldError
from localworld.rpc import Rpc, RpcFault

GAS = 30_000_000
PATIENCE = 30.0
ETHER = 10**18
ZERO_ADDRESS = "0x" + "00" * 20


def argument_types(signature: str) -> list[str]:
    """The argument types of `name(type,…)`."""
    inside = signature[signature.index("(") :]
    if inside == "()":
        return []
    parsed = parse(inside)
    if not isinstance(parsed, TupleType):
        raise WorldError(f"{signature} is not a signature", fix="write name(type,type)")
    return [component.to_type_str() for component in parsed.components]


def calldata(signature: str, *arguments: Any) -> bytes:
    """The call of `name(type,…)` with these arguments."""
    return keccak(signature.encode())[:4] + encode(argument_types(signature), arguments)


def constructor(code: bytes, types: str, *arguments: Any) -> bytes:
    """Creation code followed by its constructor's arguments; `types` is written `(type,…)`."""
    return code + encode(argument_types(types), arguments)


class Chain:
    """A chain under construction: every account may send, and account 0 owns everything."""

    def __init__(self, rpc: Rpc, owner: str) -> None:
        self.rpc = rpc
        self.owner = owner

    def send(self, to: str, signature: str, *arguments: Any, sender: str | None = None, value: int = 0) -> Any:
        """Send a transaction and wait for it; return its receipt. A revert is an error with its reason."""
        return self._transact(to, calldata(signature, *arguments), sender or self.owner, value)

    def call(self, to: str, signature: str, returns: str, *arguments: Any) -> Any:
        """Call a view; `returns` is written `(type,…)`. One value comes alone, several as a tuple."""
        request = {"to": to, "data": "0x" + calldata(signature, *arguments).hex()}
        raw = bytes.fromhex(self.rpc.request("eth_call", request, "latest")[2:])
        values = decode(argument_types(returns), raw)
        return values[0] if len(values) == 1 else values

    def create(self, code: bytes, *, sender: str | None = None) -> str:
        """Create a contract at the sender's next address; the sender is the owner unless named."""
        receipt = self._transact(None, code, sender or self.owner, 0)
        return to_checksum_address(receipt["contractAddress"])

    def place(self, address: str, code: bytes) -> str:
        """Run a constructor *at* an address, as if it had been created there; its nonce is 1 afterwards.

        The runtime is read first, while the storage is still empty; then the constructor runs as a
        transaction and writes its storage; then the runtime replaces it.
        """
        self.set_code(address, code)
        self.set_nonce(address, 1)
        request = {"from": self.owner, "to": address, "gas": hex(GAS), "data": "0x"}
        runtime = self.rpc.request("eth_call", request, "latest")
        self._transact(address, b"", self.owner, 0)
        self.rpc.request("anvil_setCode", address, runtime)
        return address

    def set_code(self, address: str, code: bytes) -> None:
        self.rpc.request("anvil_setCode", address, "0x" + code.hex())

    def set_nonce(self, address: str, nonce: int) -> None:
        self.rpc.request("anvil_setNonce", address, hex(nonce))

    def set_balance(self, address: str, wei: int) -> None:
        self.rpc.request("anvil_setBalance", address, hex(wei))

    def timestamp(self) -> int:
        """The time of the newest block."""
        return int(self.rpc.request("eth_getBlockByNumber", "latest", False)["timestamp"], 16)

    @contextmanager
    def acting_as(self, address: str) -> Iterator[str]:
        """Let a contract send transactions for a while: it needs ether for gas."""
        self.set_balance(address, 1_000 * ETHER)
        yield address
        self.set_balance(address, 0)

    def _transact(self, to: str | None, data: bytes, sender: str, value: int) -> Any:
        request = {"from": sender, "gas": hex(GAS), "value": hex(value), "data": "0x" + data.hex()}
        if to is not None:
            request["to"] = to
        transaction = self.rpc.request("eth_sendTransaction", request)
        receipt = self._receipt(transaction)
        if receipt["status"] != "0x1":
            raise WorldError(f"a transaction to {to} reverted: {self._reason(request)}", fix="correct the deploy step")
        return receipt

    def _receipt(self, transaction: str) -> Any:
        deadline = time.monotonic() + PATIENCE
        while time.monotonic() < deadline:
            receipt = self.rpc.request("eth_getTransactionReceipt", transaction)
            if receipt is not None:
                return receipt
            time.sleep(0.002)
        raise WorldError(f"transaction {transaction} was not mined", fix="run the build again")

    def _reason(self, request: dict[str, str]) -> str:
        try:
            self.rpc.request("eth_call", request, "latest")
        except RpcFault as fault:
            return f"{fault.message}, data {request['data'][:10]}"
        return f"it passes now, data {request['data'][:10]}"
