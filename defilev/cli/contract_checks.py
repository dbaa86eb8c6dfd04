"""What `defilev doctor` asks of the contracts in an address book: is there code, and is it what its name says."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence

from defilev.abi import interface
from defilev.chain.multicall import PinnedReader
from defilev.chain.node import Node
from defilev.cli.checks import Check
from defilev.errors import DefilevError, NotDeployed
from defilev.model.book import AddressBook, MarketEntry, UniswapV3Entry
from defilev.model.request import Address, Block, Call, CallResult
from defilev.observe.drive import drive
from defilev.protocols import PERPS, PROTOCOLS

__all__ = ["contract_checks"]

_FIX = "check --address-book and --rpc-url: they must be of the same chain"


def contract_checks(node: Node, book: AddressBook, block: Block) -> Iterator[Check]:
    """Yield a check of Multicall3, of each market and of the venue, at `block`."""
    yield _multicall(node, book, block)
    for entry in book.markets:
        yield _market(node, entry, block)
    if book.uniswap_v3:
        yield _venue(node, book.uniswap_v3, block)


def _multicall(node: Node, book: AddressBook, block: Block) -> Check:
    reader = PinnedReader(node, multicall3=book.multicall3, block=block)
    try:
        reader.fetch([interface("multicall3")["getBlockNumber"].call(book.multicall3)])
    except DefilevError as error:
        return Check("multicall", "problem", error.fact, error.fix)
    return Check("multicall", "ok", f"{book.multicall3} computes with the block's clock")


def _market(node: Node, entry: MarketEntry, block: Block) -> Check:
    name = f"{entry.protocol} {entry.market}"

    def fetch(batch: Sequence[Call]) -> list[CallResult]:
        return [node.call(call, block=block) for call in batch]

    try:
        wrong = _without_code(node, entry.entry_points, block)
        known = PROTOCOLS.get(entry.protocol) or PERPS.get(entry.protocol)
        if wrong is None and known is not None:
            drive(known.identify(entry), fetch)
    except NotDeployed as error:
        return Check(name, "problem", error.fact, _FIX)
    except DefilevError as error:
        return Check(name, "problem", error.fact, error.fix)
    return Check(name, "problem", wrong, _FIX) if wrong else Check(name, "ok", _named(entry.entry_points))


def _venue(node: Node, venue: UniswapV3Entry, block: Block) -> Check:
    contracts = {
        "factory": venue.factory,
        "quoter_v2": venue.quoter_v2,
        "swap_router_02": venue.swap_router_02,
    }
    try:
        wrong = _without_code(node, contracts, block) or _factory_problem(node, venue, block)
    except DefilevError as error:
        return Check("uniswap-v3", "problem", error.fact, error.fix)
    return Check("uniswap-v3", "problem", wrong, _FIX) if wrong else Check("uniswap-v3", "ok", _named(contracts))


def _factory_problem(node: Node, venue: UniswapV3Entry, block: Block) -> str | None:
    for key, address in (("quoter_v2", venue.quoter_v2), ("swap_router_02", venue.swap_router_02)):
        factory = _asked(node, address, f"uniswap_v3_{key}", "factory", block)
        if factory != venue.factory:
            return f"{key} {address} belongs to factory {factory or 'none'}, not to {venue.factory}"
    return None


def _without_code(node: Node, contracts: Mapping[str, Address], block: Block) -> str | None:
    for key, address in contracts.items():
        if not node.code(address, block=block):
            return f"no contract code at {key} {address}"
    return None


def _asked(node: Node, contract: Address, abi: str, getter: str, block: Block) -> Address | None:
    """Return the address that a getter without arguments returns, `None` when the contract has no such getter."""
    function = interface(abi)[getter]
    answer = node.call(function.call(contract), block=block)
    if not answer.success or len(answer.data) != 32:
        return None
    found: Address = function.decode_one(answer.data)
    return found


def _named(contracts: Mapping[str, Address]) -> str:
    return ", ".join(contracts.values()) if len(contracts) == 1 else f"{len(contracts)} contracts of one deployment"
