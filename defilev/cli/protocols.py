"""`defilev protocols ls`: what can be read on a chain, and through which contracts."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import typer

from defilev.cli.context import load, output
from defilev.cli.output import Output

if TYPE_CHECKING:
    from defilev.config.settings import Settings
    from defilev.model.book import AddressBook
    from defilev.protocols import LendingProtocol, PerpProtocol

__all__ = ["app"]

_BROADCASTS = {"no": "no", "simulated": "once simulated", "forked": "once held on a fork"}
_MANY = 4

app = typer.Typer(help="Protocols and markets that the address book of a chain names.")


@app.callback()
def protocols() -> None:
    """Protocols and markets that the address book of a chain names."""


@app.command()
def ls(ctx: typer.Context) -> None:
    """List protocols, markets and their entry points; with --chain, or one --address-book, no node is asked."""
    book = _book(load(ctx).values)
    out = output(ctx)
    if out.json:
        out.document(_document(book))
        return
    for line in _lines(book, out):
        out.result(line)
    if book.markets:
        out.next(f"defilev health WHO -p {book.markets[0].protocol} --chain {book.chain_name}")


def _book(settings: Settings) -> AddressBook:
    from defilev.config.address_book import load_address_book

    if settings.chain or not settings.rpc_url:
        return load_address_book(settings.chain, extra=settings.address_book)
    from defilev.pipeline.session import endpoints_of

    with endpoints_of(settings) as endpoints:
        return load_address_book(endpoints.node.chain_id(), extra=settings.address_book)


def _lines(book: AddressBook, out: Output) -> list[str]:
    from defilev.report.table import Cell, Column, table

    known = _known()
    rows = [
        [_protocol(entry.protocol, known), Cell(entry.market), Cell(name), Cell(address)]
        for entry in book.markets
        for name, address in (*entry.entry_points.items(), *(("isolated market", each) for each in entry.ids or ()))
    ]
    venue = book.uniswap_v3
    names = ("factory", "quoter_v2", "swap_router_02")
    rows += [[Cell("uniswap-v3"), Cell("venue"), Cell(name), Cell(getattr(venue, name))] for name in names if venue]
    rows.append([Cell("multicall3"), Cell(""), Cell("multicall3"), Cell(book.multicall3)])
    columns = [Column("protocol"), Column("market"), Column("entry point"), Column("address")]
    sources = ", ".join(book.sources)
    head = f"{out.ink(book.chain_name, 'strong')} · chain {book.chain_id} · {sources}"
    return [head, "", *table(columns, rows, width=out.width, ink=out.ink), "", *_abilities(book, out)]


def _abilities(book: AddressBook, out: Output) -> list[str]:
    from defilev.report.table import Cell, Column, table

    known = _known()
    names = dict.fromkeys(entry.protocol for entry in book.markets)
    rows = [[Cell(name), *map(Cell, _can(known.get(name)))] for name in names]
    columns = [Column(title) for title in ("protocol", "reads", "plans", "sends", "self-check", "versions")]
    return table(columns, rows, width=out.width, ink=out.ink)


def _known() -> dict[str, LendingProtocol | PerpProtocol]:
    from defilev.protocols import PERPS, PROTOCOLS

    return {**PROTOCOLS, **PERPS}


def _can(protocol: LendingProtocol | PerpProtocol | None) -> tuple[str, ...]:
    if protocol is None:
        return ("no", "no", "no", "—", "—")
    can = protocol.abilities
    return ("yes", "yes" if can.plans else "no", _BROADCASTS[can.broadcasts], can.self_check, _span(can.versions))


def _span(versions: tuple[str, ...]) -> str:
    """Return the versions, or the first and last of many."""
    return ", ".join(versions) if len(versions) < _MANY else f"{versions[0]} to {versions[-1]}"


def _protocol(name: str, known: Any) -> Any:
    from defilev.report.table import Cell

    return Cell(name) if name in known else Cell(f"{name} (not read yet)", "dim")


def _ability(protocol: LendingProtocol | PerpProtocol | None) -> dict[str, Any] | None:
    if protocol is None:
        return None
    can = protocol.abilities
    return {
        "plans": can.plans,
        "broadcasts": can.broadcasts,
        "self_check": can.self_check,
        "versions": list(can.versions),
    }


def _document(book: AddressBook) -> dict[str, Any]:
    known, venue = _known(), book.uniswap_v3
    return {
        "schema": "defilev/protocols@1",
        "chain_id": book.chain_id,
        "chain": book.chain_name,
        "sources": list(book.sources),
        "multicall3": book.multicall3,
        "ens_registry": book.ens_registry,
        "sequencer_uptime_feed": book.sequencer_uptime_feed,
        "markets": [
            {
                "protocol": entry.protocol,
                "market": entry.market,
                "readable": entry.protocol in known,
                "abilities": _ability(known.get(entry.protocol)),
                "entry_points": dict(entry.entry_points),
                "ids": None if entry.ids is None else list(entry.ids),
                "first_block": entry.first_block,
            }
            for entry in book.markets
        ],
        "uniswap_v3": None
        if venue is None
        else {"factory": venue.factory, "quoter_v2": venue.quoter_v2, "swap_router_02": venue.swap_router_02},
    }
