"""An order as a person reads it, and as the `defilev/order@1` document; docs/json.md describes every field."""

from __future__ import annotations

from typing import Any

from defilev.execute.transaction import TransactionFields, signing_fields
from defilev.pipeline.following import Followed
from defilev.pipeline.ordering import MadeOrder
from defilev.protocols.gmx_v2.state import USD_DECIMALS
from defilev.report import figures
from defilev.report.decimals import at_least
from defilev.report.ink import Ink
from defilev.report.table import LABEL_WIDTH, Cell, flow, labelled
from defilev.units import to_decimal

__all__ = ["followed_document", "followed_text", "order_document", "order_text"]

_NATIVE_DECIMALS = 18


def order_document(made: MadeOrder) -> dict[str, Any]:
    """Return the order and its transactions, unsigned; integers are strings of base units."""
    account, order = made.account, made.order
    return {
        "schema": "defilev/order@1",
        "chain_id": account.chain_id,
        "block": {"number": account.block.number, "hash": account.block.hash, "timestamp": account.block.timestamp},
        "protocol": account.protocol,
        "market": account.market,
        "address": account.owner,
        "kind": order.kind,
        "size": at_least(to_decimal(order.size, USD_DECIMALS), 2),
        "margin": str(order.amount),
        "acceptable_price": str(order.acceptable_price) if order.size else None,
        "execution_fee": str(order.execution_fee),
        "simulated": False,
        "rules": [check.rule for check in made.checks],
        "transactions": [_transaction(call.contract, call.function.name, at) for call, at in made.transactions],
    }


def order_text(made: MadeOrder, *, chain_name: str, width: int, ink: Ink) -> str:
    """Return the order for a terminal of `width` columns, without a newline at its end."""
    account = made.account
    head = [Cell(f"order on {figures.clean(account.market_name)} ({account.market[:10]})", "strong")]
    head += [Cell(figures.clean(chain_name)), Cell(f"block {figures.block_number(account.block.number)}")]
    lines = [*flow([*head, Cell(account.owner)], separator=" · ", width=width, ink=ink), ""]
    room = width - LABEL_WIDTH - 2
    for label, said in _parts(made):
        lines += labelled(label, flow([Cell(word) for word in said.split(" ")], separator=" ", width=room, ink=ink))
    return "\n".join(lines)


def followed_document(followed: Followed) -> dict[str, Any]:
    """Return what became of the orders of a transaction, and the positions as they are now."""
    return {
        "schema": "defilev/order-status@1",
        "transaction": followed.transaction,
        "included_at": followed.included_at,
        "orders": [{"key": each.key, "state": each.fate, "reason": each.reason or None} for each in followed.outcomes],
        "positions": [
            {
                "market": account.market,
                "size": at_least(to_decimal(account.size, account.quote_decimals), 2),
                "margin": [str(each.amount) for each in account.margin],
                "is_liquidatable": account.is_liquidatable,
            }
            for account in followed.positions
        ],
    }


def followed_text(followed: Followed) -> str:
    """Return the same in words, without a newline at its end."""
    lines = [f"transaction {followed.transaction}, block {figures.block_number(followed.included_at)}"]
    for each in followed.outcomes:
        why = f": {figures.clean(each.reason)}" if each.reason else ""
        lines.append(f"  order {each.key[:10]}  {each.fate}{why}")
    for account in followed.positions:
        size = figures.worth(to_decimal(account.size, account.quote_decimals), account.quote)
        margin = ", ".join(
            f"{figures.amount(each.amount, each.asset.decimals)} {figures.clean(each.asset.symbol)}"
            for each in account.margin
        )
        lines.append(f"  now {account.market[:10]} {figures.clean(account.market_name)}: size {size}, margin {margin}")
    return "\n".join([*lines, *(() if followed.positions else ("  now no position",))])


def _parts(made: MadeOrder) -> list[tuple[str, str]]:
    order, index = made.order, made.order.state.index_price.token
    fee = figures.amount(order.execution_fee, _NATIVE_DECIMALS)
    parts = [("does", _does(made))]
    if order.size:
        whole = to_decimal(order.acceptable_price, USD_DECIMALS - index.decimals)
        side = "at least" if order.state.position.is_long else "at most"
        parts.append(
            ("price", f"{figures.clean(index.symbol)} {side} {figures.price(whole)}, or the keeper cancels it")
        )
    parts.append(("execution fee", f"{fee} of the chain's own currency; what the keeper does not use comes back"))
    parts += [
        (f"transaction {number}", f"{figures.clean(call.contract)} {at.to}: {call.function.name}")
        for number, (call, at) in enumerate(made.transactions, 1)
    ]
    parts.append(("rules", f"{len(made.checks)} hold for the bytes of the creation"))
    parts.append(("outcome", "a keeper executes it or cancels it later: read the position again then"))
    return parts


def _does(made: MadeOrder) -> str:
    order, collateral = made.order, made.order.state.collateral_price.token
    if order.size:
        part = to_decimal(order.size * 10_000 // order.state.position.size, 4)
        size = figures.dollars(to_decimal(order.size, USD_DECIMALS))
        return f"closes {size} of the size, {figures.percent(part)} of it"
    return f"adds {figures.amount(order.amount, collateral.decimals)} {figures.clean(collateral.symbol)} to the margin"


def _transaction(contract: str, function: str, fields: TransactionFields) -> dict[str, Any]:
    return {"contract": contract, "function": function, **signing_fields(fields)}
