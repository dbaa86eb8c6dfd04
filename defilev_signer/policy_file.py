"""Reads a signer's policy: TOML, every key known, every bound kept."""

from __future__ import annotations

import hashlib
import re
import tomllib
from collections.abc import Mapping, Sequence
from fractions import Fraction
from pathlib import Path
from typing import Any

from defilev_signer.errors import Unusable
from defilev_signer.hashing import parse_address, selector
from defilev_signer.policy import (
    ETHER,
    GWEI,
    ISOLATED,
    LEVERING,
    LIMIT_BOUNDS,
    LOCAL_CHAIN,
    NARROWEST_FLOOR,
    ROLES,
    SIDES,
    TOKEN,
    WIDEST_CEILING,
    Account,
    Contract,
    Limits,
    Policy,
    Token,
)
from defilev_signer.private_file import read_own
from defilev_signer.public_keys import PUBLIC_TEST_ACCOUNTS

__all__ = ["load_policy", "parse_policy"]

_DECIMAL = re.compile(r"[0-9]{1,30}(\.[0-9]{1,18})?")
_MARKET = re.compile(r"0x[0-9a-f]{64}")
_SYMBOL = re.compile(r"[\w.+₮-]{1,20}")
_LIMITS = {
    "fee_per_gas_gwei": ("fee_per_gas", GWEI),
    "transaction_cost_eth": ("transaction_cost", ETHER),
    "gas_cost_per_day_eth": ("gas_cost_per_day", ETHER),
    "transactions_per_day": ("transactions_per_day", 1),
    "value_per_transaction": ("value_per_transaction", 1),
    "value_per_day": ("value_per_day", 1),
}
_PRICES = ("price", "lowest_sale", "highest_purchase")


def load_policy(path: Path) -> Policy:
    """Return the policy in a file that nobody else can change.

    Raises:
        Unusable: it cannot be read, others can write it, or something in it is not allowed; says what.
    """
    content = read_own(path, what="the policy")
    try:
        return parse_policy(content)
    except (ValueError, KeyError, TypeError, RecursionError) as error:
        said = f"{error.args[0]} is missing" if isinstance(error, KeyError) else str(error)
        raise Unusable(f"the policy {path}: {said}", fix="correct the file; nothing was unlocked") from None


def parse_policy(content: bytes) -> Policy:
    """Return the policy that `content` describes; raises `ValueError`, `KeyError` or `TypeError` with what is wrong."""
    document = tomllib.loads(content.decode("utf-8"))
    _only(document, ("chain", "account", "contract", "token", "limits"), "the file")
    chain = document["chain"]
    _only(chain, ("id", "name"), "[chain]")
    chain_id = _whole(chain["id"], "[chain] id", most=2**63)
    tokens = [_token(entry) for entry in _tables(document, "token")]
    account = _account(document["account"], chain_id)
    contracts = _contracts(_tables(document, "contract"), tokens, may_lever=account.may_lever)
    return Policy(
        chain_id=chain_id,
        chain_name=str(chain["name"]),
        account=account,
        contracts=contracts,
        tokens={token.address: token for token in tokens},
        limits=_limits(document["limits"]),
        digest=hashlib.sha256(content).hexdigest(),
    )


def _contracts(
    entries: Sequence[Mapping[str, Any]], tokens: Sequence[Token], *, may_lever: bool
) -> dict[str, Contract]:
    """Return who may be called by address: contracts by their own, every token with the functions of the token role."""
    found: dict[str, Contract] = {}
    of_tokens: dict[bytes, str] = {}
    for entry in entries:
        role = entry["role"]
        special = [*(["markets"] if role in ISOLATED else []), *(["levering"] if role in LEVERING else [])]
        _only(entry, ("role", "name", "address", "functions", *special), "[[contract]]")
        functions = _functions(role, entry["functions"], ROLES)
        raising = _functions(role, entry["levering"], LEVERING) if "levering" in entry else {}
        functions |= raising if may_lever else {}
        if role == TOKEN:
            of_tokens |= functions
            continue
        contract = Contract(role, str(entry["name"]), functions, _markets(entry.get("markets", [])))
        _add(found, parse_address(entry["address"]), contract)
    for token in tokens:
        _add(found, token.address, Contract(TOKEN, token.symbol, of_tokens))
    return found


def _markets(listed: Any) -> frozenset[str]:
    if not isinstance(listed, list):
        raise TypeError('[[contract]] markets is not a list: write markets = ["0x…"]')
    for market in listed:
        if not isinstance(market, str) or not _MARKET.fullmatch(market):
            raise ValueError(f"{market} is not the id of a market: 0x and 64 small hex digits")
    return frozenset(listed)


def _add(found: dict[str, Contract], place: str, contract: Contract) -> None:
    if place in found:
        raise ValueError(f"{place} is listed twice")
    found[place] = contract


def _functions(role: str, table: Mapping[str, str], allowed: Mapping[str, frozenset[str]]) -> dict[bytes, str]:
    if role not in ROLES:
        raise ValueError(f"no contract has the role {role!r}; there are {', '.join(ROLES)}")
    for given, signature in table.items():
        if signature not in allowed[role]:
            raise ValueError(f"{signature} is never signed for a contract of the role {role}, whatever a file says")
        if given != "0x" + selector(signature).hex():
            raise ValueError(f"{given} is not the selector of {signature}")
    return {bytes.fromhex(given[2:]): signature for given, signature in table.items()}


def _token(entry: Mapping[str, Any]) -> Token:
    _only(entry, ("symbol", "address", "decimals", *_PRICES, "position"), "[[token]]")
    symbol = entry["symbol"]
    if not isinstance(symbol, str) or not _SYMBOL.fullmatch(symbol):
        raise ValueError(f"{symbol!r} is not a symbol")
    price, lowest, highest = (_decimal(entry[name], f"{symbol} {name}") for name in _PRICES)
    if not NARROWEST_FLOOR * price <= lowest <= price <= highest <= WIDEST_CEILING * price:
        raise ValueError(
            f"{symbol}: lowest_sale must lie between {NARROWEST_FLOOR} of the price and the price, "
            f"highest_purchase between the price and {WIDEST_CEILING} times it"
        )
    decimals = _whole(entry["decimals"], f"{symbol} decimals", most=36, least=0)
    side = entry.get("position")
    if side not in (None, *SIDES):
        raise ValueError(f"{symbol}: position is neither {' nor '.join(SIDES)}")
    return Token(parse_address(entry["address"]), symbol, decimals, price, lowest, highest, side)


def _account(table: Mapping[str, Any], chain_id: int) -> Account:
    _only(table, ("owner", "protected", "may_close", "may_lever"), "[account]")
    owner = parse_address(table["owner"])
    if owner in PUBLIC_TEST_ACCOUNTS and chain_id != LOCAL_CHAIN:
        raise ValueError(f"the private key of {owner} is public; it signs on chain {LOCAL_CHAIN} only")
    protected = frozenset({owner, *map(parse_address, table.get("protected", []))})
    return Account(owner, protected, _is_said(table, "may_close"), _is_said(table, "may_lever"))


def _is_said(table: Mapping[str, Any], key: str) -> bool:
    said = table.get(key, False)
    if not isinstance(said, bool):
        raise TypeError(f"[account] {key} is neither true nor false")
    return said


def _limits(table: Mapping[str, Any]) -> Limits:
    _only(table, tuple(_LIMITS), "[limits]")
    found: dict[str, Any] = {}
    for key, (name, unit) in _LIMITS.items():
        amount = _decimal(table[key], f"[limits] {key}") * unit
        if amount > LIMIT_BOUNDS[name]:
            raise ValueError(f"[limits] {key} is above {LIMIT_BOUNDS[name] // unit}, which no file may exceed")
        found[name] = amount if name.startswith("value") else int(amount)
    return Limits(**found)


def _tables(document: Mapping[str, Any], name: str) -> list[Mapping[str, Any]]:
    tables = document[name]
    if not isinstance(tables, list) or not tables:
        raise TypeError(f"write [[{name}]] above each entry")
    return tables


def _only(table: Any, known: Sequence[str], where: str) -> None:
    if not isinstance(table, dict):
        raise TypeError(f"{where} is not a table")
    for key in table:
        if key not in known:
            raise ValueError(f"{where} has an unknown key {key}; it may have {', '.join(known)}")


def _whole(value: Any, what: str, *, most: int, least: int = 1) -> int:
    if not isinstance(value, int) or isinstance(value, bool) or not least <= value <= most:
        raise ValueError(f"{what} is not a whole number from {least} to {most}")
    return value


def _decimal(value: Any, what: str) -> Fraction:
    text = str(value) if isinstance(value, int) and not isinstance(value, bool) else value
    if not isinstance(text, str) or not _DECIMAL.fullmatch(text) or not Fraction(text):
        raise ValueError(f'{what} is not a number above zero, written "1.5"')
    return Fraction(text)
