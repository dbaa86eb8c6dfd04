"""Book files: what they may say, and the reason with which everything else is refused."""

from __future__ import annotations

from collections.abc import Callable
from decimal import Decimal
from pathlib import Path

import pytest

from defilev.config.book_file import book_in_use, load_book_file, user_book_file
from defilev.config.settings import Settings
from defilev.errors import ConfigurationError, DefilevError, InvalidAddress, KeyFailure
from defilev.model.book_file import (
    BookFile,
    ChainEntry,
    ExchangePosition,
    MarketChoice,
    OptionOverlay,
    Owner,
)
from defilev.model.request import Address

MAIN = "0x8f3Cf7ad23Cd3CaDbD9735AFf958023239c6A063"
OTHER = "0x3C44CdDdB6a900fa2b585dd299e03d12FA4293BC"
KEY = "0x" + "5e" * 32

OWNERS = f'[owners.main]\naddress = "{MAIN}"\n'
WHOLE = f"""
markets = ["aave-v3", "morpho-blue/main"]

[chains.ethereum]
rpc_url = "https://node.example/k3y"
[chains.base]
rpc_url = ["http://127.0.0.1:8545", "https://other.example/k3y"]
note = "the home node"

{OWNERS}
note = "cold wallet"
[owners.fund-2]
address = "{OTHER.lower()}"
chains = ["base"]

[options.eth-put]
asset = "ETH"
units = 10
delta = -0.31
gamma = "0.0004"
vega = 3.2
venue = "Deribit"
owner = "main"

[positions.hedge]
asset = "WETH"
size = -5.5
entry = 3150
venue = "Binance"
[positions.spot]
asset = "WBTC"
size = 0.1
"""

Load = Callable[[str], BookFile]


@pytest.fixture
def load(tmp_path: Path) -> Load:
    """Return what loads the text of a book."""

    def loaded(text: str) -> BookFile:
        path = tmp_path / "book.toml"
        path.write_text(text)
        return load_book_file(path)

    return loaded


def test_everything_that_a_book_may_say(load: Load, tmp_path: Path) -> None:
    """Every part comes back as it was written, numbers exact, addresses with their checksum."""
    assert load(WHOLE) == BookFile(
        owners=(Owner("main", Address(MAIN), (), "cold wallet"), Owner("fund-2", Address(OTHER), ("base",))),
        chains=(
            ChainEntry("ethereum", ("https://node.example/k3y",)),
            ChainEntry("base", ("http://127.0.0.1:8545", "https://other.example/k3y"), "the home node"),
        ),
        markets=(MarketChoice("aave-v3"), MarketChoice("morpho-blue", "main")),
        options=(
            OptionOverlay(
                "eth-put",
                "ETH",
                units=Decimal(10),
                delta=Decimal("-0.31"),
                gamma=Decimal("0.0004"),
                vega=Decimal("3.2"),
                venue="Deribit",
                owner="main",
            ),
        ),
        positions=(
            ExchangePosition("hedge", "WETH", Decimal("-5.5"), Decimal(3150), "Binance"),
            ExchangePosition("spot", "WBTC", Decimal("0.1")),
        ),
        source=str(tmp_path / "book.toml"),
    )


def test_the_url_of_a_node_is_in_no_representation(load: Load) -> None:
    """A URL is a secret, and a book that is printed does not show it."""
    assert "k3y" not in repr(load(WHOLE))


BAD: dict[str, tuple[str, str]] = {
    "an unknown key": (f"{OWNERS}adress = 1", "[owners.main] has an unknown key adress"),
    "an unknown section": (f'{OWNERS}[owner.x]\naddress = "{OTHER}"', "the file has an unknown key owner"),
    "an unknown key of a chain": (f'[chains.base]\nrpc_url = "http://a"\nurl = "b"\n{OWNERS}', "unknown key url"),
    "an unknown key of an option": (f'{OWNERS}[options.a]\nasset = "ETH"\nstrike = 1', "unknown key strike"),
    "a name twice": (f"{OWNERS}{OWNERS}", "[owners.main] is there twice"),
    "an option and a position of one name": (
        f'{OWNERS}[options.a]\nasset="ETH"\nunits=1\ndelta=1\ngamma=0\nvega=0\n[positions.a]\nasset="ETH"\nsize=1',
        "an option and a position are both called a",
    ),
    "an account twice": (
        f'{OWNERS}[owners.again]\naddress = "{MAIN.lower()}"',
        f"main and again are one account, {MAIN}",
    ),
    "a name that looks like an address": (
        f'[owners.{MAIN}]\naddress = "{MAIN}"',
        f"the name '{MAIN}' in [owners] looks like an address",
    ),
    "a name that looks like the start of one": ('[owners.0x8f]\naddress = ""', "looks like an address"),
    "a name that is the digits of one": (f'[owners.{MAIN[2:]}]\naddress = ""', "looks like an address"),
    "a name in capitals": (f'[owners.Main]\naddress = "{MAIN}"', "is not of small letters, digits and dashes"),
    "an ENS name": (f'[owners."vitalik.eth"]\naddress = "{MAIN}"', "is not of small letters, digits and dashes"),
    "the name of everybody": (f'[owners.all]\naddress = "{MAIN}"', "all means every owner"),
    "no owner": ('[chains.base]\nrpc_url = "http://a"', "names no owner"),
    "an owner without an address": ("[owners.main]", "[owners.main] has no address"),
    "an owner that is no table": (f'[owners]\nmain = "{MAIN}"', "[owners] has main, which is no table"),
    "owners that are no table": ("owners = 1", "has owners, which is no table"),
    "an address that is none": ('[owners.main]\naddress = "0x12"', "[owners.main] address: address '0x12' is not 0x"),
    "a wrong checksum": (f'[owners.main]\naddress = "{MAIN[:-1]}4"', "has a wrong checksum"),
    "a chain that the book has not": (f'{OWNERS}chains = ["base"]', "chains 'base' is no chain of this book"),
    "a chain twice": (f'[chains.base]\nrpc_url="http://a"\n{OWNERS}chains = ["base", "base"]', "chains has base twice"),
    "a chain without a node": (f"[chains.base]\n{OWNERS}", "[chains.base] has no rpc_url"),
    "a node that is no URL": (f'[chains.base]\nrpc_url = "node.example/k3y"\n{OWNERS}', "[chains.base] rpc_url is not"),
    "a node twice": (
        f'[chains.base]\nrpc_url = ["https://a.example/k3y", "https://a.example/k3y"]\n{OWNERS}',
        "[chains.base] rpc_url has a URL twice",
    ),
    "no node at all": (f"[chains.base]\nrpc_url = []\n{OWNERS}", "[chains.base] rpc_url is not"),
    "a market that is none": (f'markets = ["aave v3"]\n{OWNERS}', "markets has 'aave v3', which is no market"),
    "a market twice": (f'markets = ["aave-v3", "aave-v3"]\n{OWNERS}', "markets has aave-v3 twice"),
    "markets that are no list": (f'markets = "aave-v3"\n{OWNERS}', "markets is no list"),
    "an option without its delta": (f'{OWNERS}[options.a]\nasset="ETH"\nunits=1', "[options.a] has no delta"),
    "a number that is none": (f'{OWNERS}[positions.a]\nasset="ETH"\nsize="much"', "size 'much' is not a number"),
    "a number that is not finite": (f'{OWNERS}[positions.a]\nasset="ETH"\nsize=inf', "[positions.a] size 'Infinity'"),
    "a number that is true": (f'{OWNERS}[positions.a]\nasset="ETH"\nsize=true', "[positions.a] size is no number"),
    "an entry of nothing": (f'{OWNERS}[positions.a]\nasset="ETH"\nsize=1\nentry=0', "entry is 0"),
    "an asset that is no text": (f"{OWNERS}[positions.a]\nasset=1\nsize=1", "asset is no text"),
    "an owner that the book has not": (
        f'{OWNERS}[positions.a]\nasset="ETH"\nsize=1\nowner="mian"',
        "owner 'mian' is no owner of this book",
    ),
    "no TOML": ("[owners.main", "is not TOML"),
}


@pytest.mark.parametrize("kind", BAD)
def test_what_cannot_be_meant_is_refused_with_its_place(load: Load, kind: str) -> None:
    """The book, the table and the key are named, with one fix, and no secret."""
    text, said = BAD[kind]
    with pytest.raises((ConfigurationError, InvalidAddress)) as caught:
        load(text)

    assert said in caught.value.fact
    assert caught.value.fact.startswith("book ")
    assert caught.value.fix
    assert "k3y" not in f"{caught.value.fact} {caught.value.fix} {caught.value.facts}"


@pytest.mark.parametrize("where", ["note", "venue"])
def test_a_private_key_is_refused_wherever_it_stands(load: Load, where: str) -> None:
    """A key in a note is taken for leaked, and not repeated."""
    table = OWNERS if where == "note" else f'{OWNERS}[positions.a]\nasset="ETH"\nsize=1\n'
    with pytest.raises(KeyFailure) as caught:
        load(f'{table}{where} = "{KEY}"\n')

    assert KEY not in str(caught.value)


def test_the_book_in_use_is_the_named_one_else_one_s_own(tmp_path: Path) -> None:
    """The setting wins; without it the file in the config folder is taken; without either there is no book."""
    assert book_in_use(Settings()) is None

    user_book_file().parent.mkdir(parents=True)
    user_book_file().write_text(OWNERS)
    named = tmp_path / "named.toml"
    named.write_text(f'[owners.other]\naddress = "{OTHER}"')
    found = [book_in_use(Settings()), book_in_use(Settings(book=named))]

    assert [["main"], ["other"]] == [[owner.name for owner in book.owners] for book in found if book]


def test_a_book_that_is_named_and_absent_is_told(tmp_path: Path) -> None:
    """A missing file is not an empty book."""
    with pytest.raises(DefilevError, match=r"book .*none\.toml cannot be read"):
        book_in_use(Settings(book=tmp_path / "none.toml"))
