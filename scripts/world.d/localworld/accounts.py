"""The accounts of anvil's public mnemonic and their keystores. No other key ever signs in this world."""

import json
import warnings
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from eth_account import Account

from localworld.context import data
from localworld.layout import write_text

MNEMONIC = "test test test test test test test test test test test junk"
PASSWORD = "local-world"  # it guards keys that everybody knows
SCRYPT_ROUNDS = 8192


@dataclass(frozen=True, slots=True)
class NamedAccount:
    """One account of the world: an operator runs it, a user holds a position."""

    name: str
    index: int
    about: str
    address: str
    key: bytes
    operator: bool


def named_accounts() -> list[NamedAccount]:
    """Operators and users of accounts.toml, with addresses and keys."""
    Account.enable_unaudited_hdwallet_features()
    content = data("accounts")
    return [
        _derive(entry, operator=operator)
        for kind, operator in (("operator", True), ("account", False))
        for entry in content[kind]
    ]


def write_keystores(accounts: list[NamedAccount], folder: Path) -> None:
    """Write a keystore (v3) per account and the one password file, readable by their owner only."""
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    for account in accounts:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            keystore = Account.encrypt(account.key, PASSWORD, kdf="scrypt", iterations=SCRYPT_ROUNDS)
        write_text(folder / f"{account.name}.json", json.dumps(keystore), mode=0o600)
    write_text(folder / "password.txt", PASSWORD + "\n", mode=0o600)


def _derive(entry: dict[str, Any], *, operator: bool) -> NamedAccount:
    wallet = Account.from_mnemonic(MNEMONIC, account_path=f"m/44'/60'/0'/0/{entry['index']}")
    return NamedAccount(entry["name"], entry["index"], entry["about"], wallet.address, bytes(wallet.key), operator)
