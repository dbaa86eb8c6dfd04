"""Code that is laid over a token: everything is passed on to what was there, and transfers are tampered with."""

from __future__ import annotations

from defilev.abi import encode, keccak

__all__ = ["blocking", "charging"]

TRANSFER = keccak(b"transfer(address,uint256)")[:4]
TRANSFER_FROM = keccak(b"transferFrom(address,address,uint256)")[:4]
WORD = 32
OPCODES = {
    "MUL": 0x02, "DIV": 0x04, "EQ": 0x14, "SHR": 0x1C, "CALLDATALOAD": 0x35, "CALLDATASIZE": 0x36,
    "CALLDATACOPY": 0x37, "RETURNDATASIZE": 0x3D, "RETURNDATACOPY": 0x3E, "MLOAD": 0x51, "MSTORE": 0x52, "JUMP": 0x56,
    "JUMPI": 0x57, "GAS": 0x5A, "JUMPDEST": 0x5B, "ZERO": 0x5F, "DUP1": 0x80, "SWAP1": 0x90, "DELEGATECALL": 0xF4,
    "RETURN": 0xF3, "REVERT": 0xFD, "CODECOPY": 0x39,
}  # fmt: skip


def charging(original: str, *, percent: int) -> str:
    """Return a token's code that moves so many per cent less than it is asked to."""
    amounts = {TRANSFER: 4 + WORD, TRANSFER_FROM: 4 + 2 * WORD}
    parts: list[str | bytes] = ["CALLDATASIZE", "ZERO", "ZERO", "CALLDATACOPY"]
    for selector in amounts:
        parts += [*_is_call(selector), "@" + selector.hex(), "JUMPI"]
    parts += ["@pass", "JUMP"]
    for selector, place in amounts.items():
        parts += [":" + selector.hex(), "JUMPDEST", bytes([place]), "DUP1", "MLOAD", bytes([100 - percent]), "MUL"]
        parts += [bytes([100]), "SWAP1", "DIV", "SWAP1", "MSTORE", "@pass", "JUMP"]
    return _assembled([*parts, *_passed_on(original)])


def blocking(original: str, *, account: str, words: str) -> str:
    """Return a token's code that lets nothing be moved from or to an account, and says so in `words`."""
    parts: list[str | bytes] = ["CALLDATASIZE", "ZERO", "ZERO", "CALLDATACOPY"]
    reason = keccak(b"Error(string)")[:4] + encode(["string"], [words])
    places = {TRANSFER: (4,), TRANSFER_FROM: (4, 4 + WORD)}
    for selector in places:
        parts += [*_is_call(selector), "@" + selector.hex(), "JUMPI"]
    parts += ["@pass", "JUMP"]
    for selector, found in places.items():
        parts += [":" + selector.hex(), "JUMPDEST"]
        for place in found:
            parts += [bytes([place]), "CALLDATALOAD", bytes.fromhex(account[2:]), "EQ", "@refuse", "JUMPI"]
        parts += ["@pass", "JUMP"]
    length = len(reason).to_bytes(2, "big")
    parts += [":refuse", "JUMPDEST", length, "@reason", "ZERO", "CODECOPY", length, "ZERO", "REVERT"]
    return _assembled([*parts, *_passed_on(original)], data=reason)


def _is_call(selector: bytes) -> list[str | bytes]:
    return ["ZERO", "CALLDATALOAD", bytes([0xE0]), "SHR", selector, "EQ"]


def _passed_on(original: str) -> list[str | bytes]:
    """Hand what lies in memory to the original's code, with this token's storage, and return what it returns."""
    return [
        ":pass", "JUMPDEST", "ZERO", "ZERO", "CALLDATASIZE", "ZERO", bytes.fromhex(original[2:]), "GAS", "DELEGATECALL",
        "RETURNDATASIZE", "ZERO", "ZERO", "RETURNDATACOPY", "@well", "JUMPI", "RETURNDATASIZE", "ZERO", "REVERT",
        ":well", "JUMPDEST", "RETURNDATASIZE", "ZERO", "RETURN",
    ]  # fmt: skip


def _assembled(parts: list[str | bytes], *, data: bytes = b"") -> str:
    """Return the code; `@name` pushes the place of `:name`, `@reason` that of the data, bytes themselves."""
    sizes = [3 if str(part).startswith("@") else 0 if str(part).startswith(":") else 1 for part in parts]
    sizes = [len(part) + 1 if isinstance(part, bytes) else size for part, size in zip(parts, sizes, strict=True)]
    places = {part[1:]: sum(sizes[:at]) for at, part in enumerate(parts) if isinstance(part, str) and part[0] == ":"}
    places["reason"] = sum(sizes)
    code = b"".join(_encoded(part, places) for part in parts)
    return "0x" + (code + data).hex()


def _encoded(part: str | bytes, places: dict[str, int]) -> bytes:
    if isinstance(part, bytes):
        return bytes([0x5F + len(part)]) + part
    if part[0] == "@":
        return bytes([0x61]) + places[part[1:]].to_bytes(2, "big")
    return b"" if part[0] == ":" else bytes([OPCODES[part]])
