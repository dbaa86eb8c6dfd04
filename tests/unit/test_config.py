"""Settings and address books: who wins, where a value comes from, and what is refused."""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

from defilev.config.address_book import known_chains, load_address_book
from defilev.config.cache import MetadataCache
from defilev.config.loading import LoadedSettings, load_settings, setting_keys, user_config_file, variable_name
from defilev.config.settings import Settings
from defilev.config.template import template, written
from defilev.config.values import parse_block, parse_duration, parse_floor, parse_slippage
from defilev.errors import ConfigurationError, DefilevError, InvalidNumber, KeyFailure, UnknownName
from defilev.model.book import MarketEntry
from defilev.model.request import Address

KEY = "0x" + "5e" * 32
PHRASE = "test test test test test test test test test test test junk"
PROVIDER = "0x2f39d218133AFaB8F2B819B1066c7E434Ad94E9e"
OTHER = "0x54586bE62E3c3580375aE3723C145253060Ca0C2"

Load = Callable[..., LoadedSettings]


@pytest.fixture
def load(tmp_path: Path) -> Load:
    """Return what loads the settings of an empty folder without variables; files and variables can be given."""

    def loaded(
        flags: dict[str, Any] | None = None, *, dotenv: str = "", project: str = "", user: str = "", **rest: Any
    ) -> LoadedSettings:
        user_config_file().parent.mkdir(parents=True, exist_ok=True)
        for path, text in (
            (tmp_path / ".env", dotenv),
            (tmp_path / "defilev.toml", project),
            (user_config_file(), user),
        ):
            path.write_text(text)
        return load_settings(flags, **{"environment": {}, "directory": tmp_path, **rest})

    return loaded


def test_each_source_wins_over_the_next(load: Load) -> None:
    """Flags win over variables, those over .env, that over ./defilev.toml, that over the user's file."""
    sources: list[tuple[str, Any]] = [
        ("user", 'chain = "e"'),
        ("project", 'chain = "d"'),
        ("dotenv", "DEFILEV_CHAIN=c"),
        ("environment", {"DEFILEV_CHAIN": "b"}),
        ("flags", {"chain": "a"}),
    ]
    for count in range(1, len(sources) + 1):
        given = dict(sources[:count])
        loaded = load(given.pop("flags", None), **given)

        assert "edcba"[count - 1] == loaded.values.chain


def test_every_value_says_where_it_comes_from(load: Load) -> None:
    """An origin names the flag, the variable, or the file and line."""
    loaded = load(
        {"rpc_url": "http://a"},
        dotenv="# a comment\nDEFILEV_BLOCK=5\n",
        project="\n[status]\nlow = 1.7\n",
        user='timeout = 5\n[prices.by_asset]\n"USDC.e" = "2h"\n',
        environment={"DEFILEV_STATUS_DANGER": "1.2"},
    )
    expected = {
        "rpc_url": "--rpc-url",
        "block": "./.env:2",
        "status.low": "./defilev.toml:3",
        "status.danger": "env DEFILEV_STATUS_DANGER",
        "timeout": f"{user_config_file()}:1",
        "prices.by_asset.USDC.e": f"{user_config_file()}:3",
        "floor": "default",
    }

    assert expected == {key: loaded.origin(key).where for key in expected}
    assert (5, Decimal("1.7"), Decimal("1.2")) == (
        loaded.values.block,
        loaded.values.status.low,
        loaded.values.status.danger,
    )
    assert {"USDC.e": 7200} == loaded.values.prices.by_asset


def test_defaults_need_no_file(load: Load) -> None:
    """Without any source the documented defaults hold."""
    values = load().values

    assert ((), "latest", Decimal("0.005"), Decimal("1.02"), 600) == (
        values.rpc_url,
        values.block,
        values.max_slippage,
        values.floor,
        values.expires,
    )
    assert (Decimal("1.5"), Decimal("1.1")) == (values.status.low, values.status.danger)


@pytest.mark.parametrize(
    ("given", "meant"),
    [
        ({"project": 'rpcurl = "http://a"'}, "rpc_url"),
        ({"user": "[status]\nlov = 2"}, "status.low"),
        ({"dotenv": "DEFILEV_RPCURL=http://a"}, "DEFILEV_RPC_URL"),
        ({"environment": {"DEFILEV_RPC_URLS": "http://a"}}, "DEFILEV_RPC_URL"),
    ],
)
def test_a_misspelt_setting_is_refused_with_a_suggestion(load: Load, given: dict[str, Any], meant: str) -> None:
    """A key that is no setting stops the run and names the one that was probably meant."""
    with pytest.raises(ConfigurationError) as refused:
        load(**given)

    assert f"did you mean {meant}?" == refused.value.fix


def test_variables_of_others_are_left_alone(load: Load) -> None:
    """What merely begins with DEFILEV_, and what .env holds for other programs, is nobody's business here."""
    assert (
        load(environment={"DEFILEV_FULL": "1"}, dotenv="DATABASE_URL=x\nSECRET_KEY=" + "ab" * 32).values
        == load().values
    )


@pytest.mark.parametrize(
    ("project", "said"),
    [
        ('max_slippage = "60%"', "max_slippage cannot be used: slippage 60% is not above 0% and at most 50%"),
        ('max_slippage = "0%"', "max_slippage cannot be used"),
        ("max_slippage = 0.005", "has no percent sign"),
        ("floor = 0.9", "floor cannot be used: health factor 0.9 is not between 1 and 2"),
        ('expires = "soon"', "expires cannot be used: duration 'soon' is not a duration"),
        ("[status]\nlow = 1.0\ndanger = 1.1", "danger must be at least 1 and at most low"),
        ('color = "pink"', "color cannot be used"),
        ("timeout = -1", "timeout cannot be used"),
        ("floor = [1]", "floor cannot be used: it is not a single value"),
        ("block = 1.5", "block cannot be used"),
        ("chain = ", "is not TOML"),
        ("profile = 3", "profiles are tables"),
    ],
)
def test_a_value_out_of_range_names_the_place(load: Load, project: str, said: str) -> None:
    """An unusable value is refused with its key and the file that has it."""
    with pytest.raises(ConfigurationError) as refused:
        load(project=project)

    assert said in refused.value.fact
    assert "defilev.toml" in refused.value.fact


@pytest.mark.parametrize(
    "given",
    [
        {"dotenv": f"DEFILEV_PRIVATE_KEY={KEY}"},
        {"dotenv": f"PRIVATE_KEY={KEY}"},
        {"dotenv": f'MNEMONIC="{PHRASE}"'},
        {"dotenv": f"DEFILEV_CHAIN={KEY}"},
        {"environment": {"DEFILEV_PRIVATE_KEY": KEY}},
        {"environment": {"DEFILEV_CHAIN": KEY[2:]}},
        {"project": f'private_key = "{KEY}"'},
        {"user": f'[profile.main]\nkey = "{KEY}"'},
        {"user": f'stablecoins = ["{PHRASE}"]'},
        {"user": 'password = "hunter2"'},
    ],
)
def test_a_private_key_in_plain_text_is_refused_and_not_repeated(load: Load, given: dict[str, Any]) -> None:
    """A key, mnemonic or password in a file or variable stops the run; the message does not hold it."""
    with pytest.raises(KeyFailure) as refused:
        load(**given)
    said = f"{refused.value.fact} {refused.value.fix} {refused.value.facts}"

    assert KEY[2:] not in said
    assert "junk" not in said
    assert "hunter2" not in said


def test_what_steers_money_is_known_to_come_from_the_working_directory(load: Load, tmp_path: Path) -> None:
    """RPC, books, keystores, limits and prices from the folder's files are listed; what is only shown is not."""
    loaded = load(
        dotenv="DEFILEV_RPC_URL=http://evil\nDEFILEV_COLOR=never",
        project='max_slippage = "40%"\n[prices]\nstale_after = "7d"\n[status]\nlow = 1.2',
        user='keystore_dir = "~/keys"',
    )
    expected = (
        ("max_slippage", "./defilev.toml:1"),
        ("prices.stale_after", "./defilev.toml:3"),
        ("rpc_url", "./.env:1"),
    )

    assert expected == loaded.steering_from_cwd


def test_a_flag_over_the_working_directory_steers_alone(load: Load) -> None:
    """What a flag or variable says again does not come from the folder any more."""
    assert () == load({"rpc_url": "http://mine"}, dotenv="DEFILEV_RPC_URL=http://evil").steering_from_cwd


def test_a_config_file_or_profile_chosen_by_the_folder_is_the_folders_word(load: Load, tmp_path: Path) -> None:
    """When ./.env selects a file or profile, what they say counts as coming from the folder."""
    (tmp_path / "evil.toml").write_text('rpc_url = "http://evil"')
    by_file = load(dotenv="DEFILEV_CONFIG=evil.toml")
    by_profile = load(dotenv="DEFILEV_PROFILE=evil", user='[profile.evil]\nrpc_url = "http://evil"')
    by_flag = load(config=tmp_path / "evil.toml")

    assert (("rpc_url", "evil.toml:1"),) == by_file.steering_from_cwd
    assert ["rpc_url"] == [key for key, _ in by_profile.steering_from_cwd]
    assert () == by_flag.steering_from_cwd


def test_a_named_config_file_replaces_the_usual_ones(load: Load, tmp_path: Path) -> None:
    """--config FILE is read in place of ./defilev.toml and the user's file; a missing one is an error."""
    (tmp_path / "mine.toml").write_text('chain = "base"')
    loaded = load(config=Path("mine.toml"), project='chain = "local"\nblock = 3', user="timeout = 3")

    assert ("base", "latest", 20.0) == (loaded.values.chain, loaded.values.block, loaded.values.timeout)
    with pytest.raises(ConfigurationError, match="cannot be read"):
        load(config=Path("absent.toml"))


def test_a_profile_is_laid_over_its_file(load: Load) -> None:
    """[profile.NAME] overrides the settings above it in the same file and nothing that wins over that file."""
    user = 'chain = "ethereum"\nblock = 7\n[profile.l2]\nchain = "base"\n[profile.l2.status]\nlow = 1.9'
    loaded = load(user=user, profile="l2")

    assert ("base", 7, Decimal("1.9")) == (loaded.values.chain, loaded.values.block, loaded.values.status.low)
    assert "local" == load(user=user, profile="l2", project='chain = "local"').values.chain
    with pytest.raises(UnknownName, match="no config file has a profile 'l3'"):
        load(user=user, profile="l3")


def test_paths_are_relative_to_the_file_that_names_them(load: Load, tmp_path: Path) -> None:
    """A path in a file is looked for beside that file; one in a flag or variable in the working directory."""
    loaded = load(user='address_book = ["one.toml", "/two.toml"]', environment={"DEFILEV_ANVIL": "bin/anvil"})

    assert (user_config_file().parent / "one.toml", Path("/two.toml")) == loaded.values.address_book
    assert tmp_path / "bin/anvil" == loaded.values.anvil
    assert (tmp_path / "a", tmp_path / "b") == load(environment={"DEFILEV_ADDRESS_BOOK": "a:b"}).values.address_book


def test_the_settings_file_to_begin_with_means_the_defaults(load: Load) -> None:
    """`config init` writes a file that changes nothing, and still is valid when its lines are uncommented."""
    text = template()
    uncommented = re.sub(r"(?m)^# (?=[a-z_]+ = )", "", text.partition("# Laid over")[0])
    loaded = load(user=uncommented)
    defaults = load(user=text).values
    examples = {"rpc_url", "private_rpc_url", "confirmations", "chain", "address_book", "book", "anvil"}
    examples |= {"prices", "limits", "tickers", "max_divergence"}

    assert defaults == load().values
    assert {*setting_keys(), "prices.by_asset.WETH"} == set(loaded.origins)
    assert defaults.model_dump(exclude=examples) == loaded.values.model_dump(exclude=examples)


def test_the_example_of_variables_names_real_settings(repository: Path) -> None:
    """Every variable in .env.example is one that is read."""
    named = set(re.findall(r"(?m)^# ?(DEFILEV_\w+)=", (repository / ".env.example").read_text()))
    read = {variable_name(key) for key in setting_keys()} | {"DEFILEV_CONFIG", "DEFILEV_PROFILE"}

    assert set() == named - read


def test_values_are_written_as_a_person_writes_them() -> None:
    """What `config show` prints can be pasted into a file."""
    values = Settings()

    assert "0.5%" == written("max_slippage", values.max_slippage)
    assert "25h" == written("prices.stale_after", values.prices.stale_after)
    assert "10m" == written("expires", values.expires)
    assert written("rpc_url", values.rpc_url) is None
    assert written("rpc_url", ("http://a",)) == "http://a"
    assert written("rpc_url", ("http://a", "http://b")) == ("http://a", "http://b")


@pytest.mark.parametrize(
    "source",
    [
        {"flags": {"rpc_url": ("https://a/1,2", "http://b:1")}},
        {"environment": {"DEFILEV_RPC_URL": " https://a/1,2 http://b:1 "}},
        {"environment": {"DEFILEV_RPC_URL": "https://a/1,2,http://b:1"}},
        {"dotenv": "DEFILEV_RPC_URL=https://a/1,2, http://b:1"},
        {"user": 'rpc_url = ["https://a/1,2", "http://b:1"]'},
    ],
)
def test_several_nodes_are_a_list_or_stand_one_after_another(load: Load, source: dict[str, Any]) -> None:
    """Flags, variables and files name several nodes, in order; a comma inside a URL stays."""
    assert ("https://a/1,2", "http://b:1") == load(source.pop("flags", None), **source).values.rpc_url


def test_one_node_is_one_node_however_it_is_written(load: Load) -> None:
    """A plain string is one node."""
    assert (
        ("http://a",)
        == load(user='rpc_url = "http://a"').values.rpc_url
        == load({"rpc_url": ("http://a",)}).values.rpc_url
    )


@pytest.mark.parametrize(
    ("text", "seconds"), [("90", 90), ("90s", 90), ("1.5m", 90), ("10m", 600), ("2h", 7200), ("7d", 604800)]
)
def test_durations(text: str, seconds: int) -> None:
    """A duration has a unit, or is seconds."""
    assert seconds == parse_duration(text, what="duration")


@pytest.mark.parametrize(
    ("parse", "text"),
    [
        *(
            (lambda text: parse_duration(text, what="d"), text)
            for text in ("", "0", "-5m", "1e400", "nan", "0.5s", "5y")
        ),
        *((parse_slippage, text) for text in ("0%", "60%", "-5%", "nan%", "1e400%", "0.5", "%")),
        *((parse_floor, text) for text in ("1", "2", "nan", "-1", "1e400", "x")),
        *((parse_block, text) for text in ("-1", "0x10", "newest", "", "1.5", "٣")),
    ],
)
def test_values_that_cannot_be_meant_are_refused(parse: Callable[[str], object], text: str) -> None:
    """Zero, negative, infinite and nonsensical values are errors, never corrected."""
    with pytest.raises(InvalidNumber):
        parse(text)


BOOK = f"""
[chain]
id = 31337
name = "local"
multicall3 = "0xcA11bde05977b3631167028862bE2a173976CA11"

[aave-v3.main]
pool_addresses_provider = "{PROVIDER}"
"""


@pytest.fixture
def book_file(tmp_path: Path) -> Callable[[str], Path]:
    """Return what writes an address book."""

    def write(text: str, name: str = "book.toml") -> Path:
        path = tmp_path / name
        path.write_text(text)
        return path

    return write


@pytest.mark.parametrize("chain", ["ethereum", "arbitrum", "base", "optimism"])
def test_shipped_books_are_complete(chain: str) -> None:
    """Each shipped chain has an Aave market, Uniswap and Multicall3, by name and by id."""
    book = load_address_book(chain)

    assert book == load_address_book(book.chain_id) == load_address_book(str(book.chain_id))
    assert ("aave-v3", "main") in [(entry.protocol, entry.market) for entry in book.markets]
    assert book.uniswap_v3 is not None
    assert chain == book.chain_name


def test_a_file_of_a_new_chain_makes_it_known(book_file: Callable[[str], Path]) -> None:
    """A user's file adds its chain, and is the one in use when nothing else is named."""
    path = book_file(BOOK)
    book = load_address_book(None, extra=[path])

    assert book == load_address_book("local", extra=[path]) == load_address_book(31337, extra=[path])
    assert (MarketEntry("aave-v3", "main", {"pool_addresses_provider": Address(PROVIDER)}),) == book.markets
    assert (str(path),) == book.sources
    assert 31337 == known_chains([path])["local"]


def test_later_files_win_by_table(book_file: Callable[..., Path]) -> None:
    """A later file replaces the markets that it names and leaves the others."""
    first = book_file(BOOK + f'[aave-v3.legacy]\npool_addresses_provider = "{PROVIDER}"\n', "first.toml")
    second = book_file(BOOK.replace(PROVIDER, OTHER).replace("local", "mine"), "second.toml")
    book = load_address_book(31337, extra=[first, second])

    assert {"main": OTHER, "legacy": PROVIDER} == {
        entry.market: entry.entry_points["pool_addresses_provider"] for entry in book.markets
    }
    assert "mine" == book.chain_name


def test_a_file_is_laid_over_the_shipped_book_of_its_chain(book_file: Callable[[str], Path]) -> None:
    """A file for a shipped chain needs to say only what it changes."""
    path = book_file(f'[chain]\nid = 1\nname = "ethereum"\n[aave-v3.main]\npool_addresses_provider = "{OTHER}"')
    shipped, book = load_address_book(1), load_address_book(1, extra=[path])

    assert shipped.multicall3 == book.multicall3
    assert OTHER == book.markets[0].entry_points["pool_addresses_provider"]
    assert shipped.markets[1:] == book.markets[1:]
    assert load_address_book("base") == load_address_book("base", extra=[path])


def test_a_name_in_two_books_means_the_later(book_file: Callable[[str], Path]) -> None:
    """Calling another chain `ethereum` does not mix its book with that of Ethereum."""
    book = load_address_book("ethereum", extra=[book_file(BOOK.replace("local", "ethereum"))])

    assert (31337, 1) == (book.chain_id, len(book.markets))


def test_a_market_of_a_later_protocol_is_kept_and_its_lists_are_not(book_file: Callable[[str], Path]) -> None:
    """Entry points of protocols without a reader yet are read; lists of market ids are not entry points."""
    text = (
        BOOK + f'[morpho-blue.main]\nmorpho = "{OTHER}"\nmarkets = ["0x{"ab" * 32}"]\n[my-own.main]\npool = "{OTHER}"'
    )
    book = load_address_book(None, extra=[book_file(text)])

    assert {"morpho": OTHER} == book.markets[1].entry_points
    assert {"pool": OTHER} == book.markets[2].entry_points


@pytest.mark.parametrize(
    ("text", "said", "fix"),
    [
        ("x", "is not TOML", "correct"),
        ("", "has no [chain] section", "[chain]"),
        (BOOK.replace("id = 31337", 'id = "1"'), "[chain] has no id that is a positive integer", "id"),
        (BOOK.replace('name = "local"', 'name = "1"'), "[chain] has no name", "name"),
        (BOOK.replace("multicall3", "multicall"), "[chain] has an unknown key multicall", "did you mean multicall3?"),
        (BOOK.replace("aave-v3", "aave-v2"), "[aave-v2] is no protocol", "did you mean aave-v3?"),
        (BOOK.replace("[aave-v3.main]", "[aave-v3]"), "which is no market", "[aave-v3.main]"),
        (BOOK.replace("pool_addresses_provider", "pool"), "[aave-v3.main] has no pool_addresses_provider", "add"),
        (BOOK.replace("2f39", "2F39"), "[aave-v3.main] pool_addresses_provider: address", "capital letters"),
        (BOOK.replace(PROVIDER, "0x12"), "is not 0x and 40 hex digits", "copy"),
        (BOOK.replace(PROVIDER, "0x" + "0" * 40), "is the zero address", "leave out"),
        (BOOK.replace(f'"{PROVIDER}"', "5"), "[aave-v3.main] pool_addresses_provider is not an address", "0x"),
        (BOOK + f'[uniswap-v3]\nfactory = "{OTHER}"', "[uniswap-v3] has no quoter_v2", "add quoter_v2"),
        (BOOK + f'[uniswap-v3]\nrouter = "{OTHER}"', "[uniswap-v3] has an unknown key router", "swap_router_02"),
        (BOOK + "[Aave]\n", "Aave is no section", "[chain]"),
        (
            BOOK + f'[sparklend.main]\npool_addresses_provider = "{PROVIDER}"',
            "[aave-v3.main] and [sparklend.main] are one market",
            "leave one out",
        ),
    ],
)
def test_a_broken_book_names_file_and_key(book_file: Callable[[str], Path], text: str, said: str, fix: str) -> None:
    """What is wrong in an address book is named with its file, table and key."""
    path = book_file(text)
    with pytest.raises(ConfigurationError) as refused:
        load_address_book(None, extra=[path])

    assert str(path) in refused.value.fact
    assert said in refused.value.fact
    assert fix in refused.value.fix


@pytest.mark.parametrize(
    ("chain", "fix"), [("etherium", "did you mean ethereum?"), ("mars", "--address-book"), (777, "--address-book")]
)
def test_an_unknown_chain_names_those_that_are_known(chain: str | int, fix: str) -> None:
    """An unknown chain is refused with the list of known ones and how to give another."""
    with pytest.raises(UnknownName) as refused:
        load_address_book(chain)

    assert fix in refused.value.fix
    assert "ethereum" in str(refused.value.facts["known"])


def test_without_chain_or_file_the_error_says_how_to_name_one() -> None:
    """Nothing is guessed when no chain was named."""
    with pytest.raises(UnknownName, match="no chain was named"):
        load_address_book(None)


def test_a_missing_book_is_refused(tmp_path: Path) -> None:
    """A file that was named must be there."""
    with pytest.raises(ConfigurationError, match="cannot be read: No such file"):
        load_address_book(1, extra=[tmp_path / "absent.toml"])


MARKET = MarketEntry("aave-v3", "main", {"pool_addresses_provider": Address(PROVIDER)})
METADATA = {"revision": 10, "symbols": {PROVIDER: "WETH"}}


def _cache(folder: Path, **identity: Any) -> MetadataCache:
    return MetadataCache(folder, **{"chain_id": 1, "genesis_hash": "0xAA", **identity})


def test_the_cache_gives_back_what_was_stored(tmp_path: Path) -> None:
    """Metadata comes back equal, and leaves nothing unfinished behind."""
    _cache(tmp_path).store(MARKET, METADATA)

    assert METADATA == _cache(tmp_path).load(MARKET)
    assert 1 == len([path for path in tmp_path.rglob("*") if path.is_file()])


@pytest.mark.parametrize(
    ("identity", "market"),
    [
        ({"chain_id": 2}, MARKET),
        ({"genesis_hash": "0xbb"}, MARKET),
        ({}, MarketEntry("aave-v3", "prime", MARKET.entry_points)),
        ({}, MarketEntry("aave-v3", "main", {"pool_addresses_provider": Address(OTHER)})),
    ],
)
def test_the_cache_of_another_chain_or_market_is_not_used(
    tmp_path: Path, identity: dict[str, Any], market: MarketEntry
) -> None:
    """Chain id, genesis, market and entry points all have to be the same."""
    _cache(tmp_path).store(MARKET, METADATA)

    assert _cache(tmp_path, **identity).load(market) is None


@pytest.mark.parametrize("damage", ["", "{", "[]", '{"key": 1}', "\x00", "edited"])
def test_a_damaged_cache_is_ignored_and_rewritten(tmp_path: Path, damage: str) -> None:
    """A corrupt or edited file is as good as none, and the next store repairs it."""
    cache = _cache(tmp_path)
    cache.store(MARKET, METADATA)
    path = next(path for path in tmp_path.rglob("*.json"))
    edited = json.dumps(json.loads(path.read_text()) | {"metadata": {"revision": 11}})
    path.write_text(edited if damage == "edited" else damage)

    assert cache.load(MARKET) is None
    cache.store(MARKET, METADATA)
    assert METADATA == cache.load(MARKET)


def test_a_disk_that_refuses_costs_nothing_but_time(tmp_path: Path) -> None:
    """Where the cache cannot be written, reading still works."""
    (tmp_path / "file").write_text("")
    cache = _cache(tmp_path / "file")
    cache.store(MARKET, METADATA)

    assert cache.load(MARKET) is None


def test_no_error_of_settings_shows_the_node(load: Load) -> None:
    """A URL with a key in it is in no message and no representation."""
    loaded = load({"rpc_url": "https://node.example/secret-key"})
    with pytest.raises(DefilevError) as refused:
        load({"rpc_url": "https://node.example/secret-key"}, project="floor = 7")

    assert "secret-key" not in repr(loaded)
    assert "secret-key" not in str(refused.value)
