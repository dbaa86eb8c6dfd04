"""`defilev target` on the local chain: what is printed, the document, the exit codes, and what bad input gets."""

from __future__ import annotations

import csv
import gzip
import json
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime
from decimal import Decimal
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from jsonschema import Draft202012Validator

from defilev.abi import interface
from defilev.cli.app import main
from defilev.model.target import target_from_document, target_goal
from defilev.observe.drive import drive
from defilev.optimize.outlook import quoted_rate
from defilev.optimize.target import choose_target
from defilev.protocols.aave_family.rates import read_rates
from defilev.report.figures import NARROW_SPACE
from defilev.units import RAY
from tests.support.world import World

pytestmark = pytest.mark.world

HOUR = 3600


@dataclass(frozen=True)
class Printed:
    """How a run ended, and what it printed; narrow spaces as plain ones."""

    code: int
    out: str
    err: str

    @property
    def document(self) -> dict[str, Any]:
        document: dict[str, Any] = json.loads(self.out)
        return document


Run = Callable[..., Printed]


@pytest.fixture
def run(world: World, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> Run:
    """Return what runs a command on the local chain; accounts may be given by name."""
    monkeypatch.setenv("COLUMNS", "140")
    names = world.accounts()
    node = ("--rpc-url", world.rpc_url, "--address-book", str(world.address_book))

    def run(*arguments: str) -> Printed:
        code = main([*(names.get(argument, argument) for argument in arguments), *node])
        captured = capsys.readouterr()
        return Printed(code, captured.out.replace(NARROW_SPACE, " "), captured.err.replace(NARROW_SPACE, " "))

    return run


@pytest.fixture
def target(run: Run) -> Run:
    """Return what runs `defilev target` on the main market."""
    return lambda who, *arguments: run("target", who, "-p", "aave-v3", *arguments)


def write_prices(path: Path, *, end: int, last: float, days: int = 400, volatility: float = 0.7, seed: int = 1) -> None:
    """Write hourly candles of a random walk that ends at `last` when `end` comes."""
    count = days * 24
    rng = np.random.default_rng(seed)
    close = np.exp(np.cumsum(volatility / np.sqrt(8760) * rng.standard_normal(count)))
    close *= last / close[-1]
    opened = np.concatenate([[close[0]], close[:-1]])
    first = end // HOUR * HOUR - count * HOUR
    with path.open("w", newline="") as file:
        rows = csv.writer(file)
        rows.writerow(["ts", "open", "high", "low", "close"])
        for place, (a, b) in enumerate(zip(opened, close, strict=True)):
            rows.writerow([first + place * HOUR, a, max(a, b) * 1.001, min(a, b) * 0.999, b])


@pytest.fixture
def prices(world: World, tmp_path: Path) -> Path:
    """Return a directory with price files of ETH and BTC up to the newest block."""
    end = world.head().timestamp
    write_prices(tmp_path / "ethusd_1h.csv", end=end, last=3000)
    write_prices(tmp_path / "btcusd_1h.csv", end=end, last=90_000, seed=2)
    return tmp_path


def test_target_says_now_recommended_limits_and_band(target: Run) -> None:
    """Without a price history the answer has all its parts, and each chance says which model it is."""
    printed = target("comfortable", "--volatility", "65%", "--explain")
    assert printed.code == 0, printed.err
    for part in (
        "now ",
        "target ",
        "calibrated (decides)",
        "jump model",
        "lognormal",
        "protocol, loan-to-value 80.50 %",
        "P(liq 7 d), calibrated",
        "at volatility ±15 %",
        "stress, all at once",
        "worst day, −45 %",
        "a sale of $60 07",
        "(WETH for USDC) moves the pools of uniswap-v3 by 0.02 %",
        "unless it moves the oracle by 60.0 % or more",
        "A liquidation raises health",
        "delta WETH $150 000.",
        "half-Kelly, prior Sharpe ratio 0.5",
        "advice",
        "band",
        "HOLD",
        "carry −0.6 % of equity a year now: the collateral earns 1.48 %, the debt costs 4.58 %",
        "k(1 %, 7 d) = 3.69 ± 0.38",
        "sensitivity",
        "volatility +10 points",
        "without a price history",
        "bound by",
        "you imply (ETH)",
    ):
        assert part in " ".join(printed.out.split())


def test_document_follows_its_schema_and_gives_itself_again(target: Run, repository: Path) -> None:
    """The document validates, reads back, and its assumptions compute the same target."""
    schema = json.loads((repository / "docs" / "schemas" / "target.schema.json").read_text())
    for who in ("comfortable", "mixed", "loop", "short", "debt-free", "dust", "liquidatable", "ltv-zero", "empty"):
        printed = target(who, "--volatility", "65%", "--compare", "--json")
        assert printed.code == 0, printed.err
        Draft202012Validator(schema).validate(printed.document)
        if printed.document["position"] is not None:
            found = target_from_document(printed.document)
            assert found == choose_target(found.position, found.risk_market, found.preferences)


def test_health_factor_is_the_contracts(target: Run, run: Run) -> None:
    """Now is the account that `health` reads, leverage and health factor alike."""
    health = run("health", "comfortable", "-p", "aave-v3", "--market", "main", "--json").document["accounts"][0]
    now = target("comfortable", "--volatility", "65%", "--json").document["now"]
    assert float(health["health_factor"]["decimal"]) == pytest.approx(now["health_factor"], rel=1e-12)
    assert float(health["leverage"]) == pytest.approx(now["leverage"], abs=1e-4)


def test_a_goal_for_a_plan(target: Run, run: Run, tmp_path: Path) -> None:
    """What the target says, a plan can do: its goal is the trade-to health factor."""
    printed = target("comfortable", "--volatility", "65%", "--min-health-factor", "2.6", "--json")
    goal = target_goal(target_from_document(printed.document))
    assert goal.kind == "health-factor"
    assert goal.value is not None
    assert Decimal("2.6") < goal.value < Decimal(4)
    file = tmp_path / "target.json"
    file.write_text(printed.out)
    planned = run("plan", "comfortable", "-p", "aave-v3", "--from-target", str(file), "--json")
    assert planned.code == 0, planned.err
    assert Decimal(planned.document["goal"]["value"]) == goal.value
    for_another = run("plan", "mixed", "-p", "aave-v3", "--from-target", str(file))
    assert (for_another.code, for_another.out) == (2, "")
    document = json.loads(file.read_text())
    document["position"]["chain_id"] = "1"
    elsewhere = file.with_name("elsewhere.json")
    elsewhere.write_text(json.dumps(document))
    on_another_chain = run("plan", "comfortable", "-p", "aave-v3", "--from-target", str(elsewhere))
    assert (2, True) == (on_another_chain.code, "another position" in on_another_chain.err)
    both = run("plan", "comfortable", "-p", "aave-v3", "--from-target", str(file), "--close")
    assert both.code == 2
    text = target("comfortable", "--volatility", "65%", "--min-health-factor", "2.6")
    assert f"--to-health-factor {goal.value}" in text.err
    assert "← binding" in text.out
    assert "DELEVERAGE" in text.out


def test_sparklend(target: Run) -> None:
    """The old market's rate strategy is read too."""
    printed = target("comfortable", "-p", "sparklend", "--volatility", "65%", "--json")
    assert printed.code == 0, printed.err
    curve = printed.document["position"]["borrow_market"]
    assert (0.9, 0.04, 0.6) == pytest.approx((curve["optimal_usage"], curve["slope_1"], curve["slope_2"]))


def test_loop_needs_no_volatility(target: Run) -> None:
    """A correlated loop is told in its own terms, without an error about volatility."""
    printed = target("loop", "--yield", "wstETH=2.8%")
    assert printed.code == 0, printed.err
    for part in ("interest alone liquidates: never", "depeg", "threshold can be cut", "leaving costs", "WETH"):
        assert part in printed.out
    assert "P(liquidated" not in printed.out


def test_volatility_from_price_files(target: Run, world: World, prices: Path) -> None:
    """With a directory of candles the volatility is estimated, and every figure that it came from is shown."""
    printed = target("mixed", "--prices", str(prices), "--json")
    assert printed.code == 0, printed.err
    market = printed.document["risk_market"]
    assert market["method"] == "blend"
    assert {"WETH ewma", "WETH long-run", "WBTC blend", "WBTC floor"} <= {part["name"] for part in market["parts"]}
    assert 0.5 < market["volatility"] < 0.9
    assert market["stress_volatility"] >= market["volatility"]
    assert market["correlation"] is None
    implied = target("comfortable", "--prices", str(prices), "--volatility", "implied:90%")
    assert implied.code == 0, implied.err
    assert "WETH implied 90 %" in implied.out
    write_prices(prices / "btc_dvol.csv", end=world.head().timestamp, last=55.0, days=40, volatility=0.3)
    quoted = target("comfortable", "--prices", str(prices), "--volatility", f"implied:{prices / 'btc_dvol.csv'}")
    assert quoted.code == 0, quoted.err
    assert "that of BTC, and its own residual" in " ".join(quoted.out.split())
    alone = target("comfortable", "--volatility", f"implied:{prices / 'btc_dvol.csv'}")
    assert (2, True) == (alone.code, "of BTC only" in alone.err)
    for method in ("ewma", "har"):
        assert target("comfortable", "--prices", str(prices), "--volatility", method).code == 0
    explained = " ".join(target("mixed", "--prices", str(prices), "--explain").out.split())
    assert "in all like $" in explained
    assert "of WETH (beta WBTC " in explained


def recorded(folder: Path, to: Path, *, end: int, last: float | None = None) -> None:
    """Write a recorded file again with its time moved to end at `end`, and its prices scaled to end at `last`."""
    with gzip.open(folder, "rt") as file:
        head, *rows = list(csv.reader(file))
    moved = end // HOUR * HOUR - HOUR - int(rows[-1][0])
    scale = 1.0 if last is None else last / float(rows[-1][4])
    with to.open("w", newline="") as file:
        table = csv.writer(file)
        table.writerow(head)
        table.writerows([int(row[0]) + moved, *(float(price) * scale for price in row[1:5]), *row[5:]] for row in rows)


def test_real_candles_and_bitcoin_s_volatility_index(
    target: Run, world: World, repository: Path, tmp_path: Path
) -> None:
    """Half a year of ETH and BTC with Deribit's index of BTC: ETH gets it through its beta, and the answer says so."""
    data, end = repository / "tests" / "golden" / "data", world.head().timestamp
    for name, last in (("ethusdt", 3000.0), ("btcusdt", 90_000.0)):
        recorded(
            data / "prices" / f"{name}_binance_spot_1h_2025h1.csv.gz", tmp_path / f"{name}_1h.csv", end=end, last=last
        )
    index = tmp_path / "btc_dvol.csv"
    recorded(data / "vol" / "btc_dvol_deribit_1h_2025h1.csv.gz", index, end=end)
    (tmp_path / "prices").mkdir()
    for name in ("ethusdt_1h.csv", "btcusdt_1h.csv"):
        (tmp_path / name).rename(tmp_path / "prices" / name)
    printed = target("mixed", "--prices", str(tmp_path / "prices"), "--volatility", f"implied:{index}")
    assert printed.code == 0, printed.err
    said = " ".join(printed.out.split())
    assert "blend and implied" in said
    assert "WBTC implied 38 %" in said
    assert "WETH has no implied volatility of its own here" in said
    assert "that of BTC, and its own residual of" in said


def push_rounds(world: World, symbol: str, *, end: int, days: int, hours: int = 6, price: float = 3000.0) -> None:
    """Give a feed a round every few hours for so many days before `end`: a random walk that ends at `price`."""
    count = days * 24 // hours
    steps = 0.7 * np.sqrt(hours / 8760) * np.random.default_rng(4).standard_normal(count)
    prices = price * np.exp(steps.cumsum() - steps.sum())
    for place, answer in enumerate(prices, 1):
        world.set_price(symbol, round(float(answer) * 10**8), updated_at=end - (count - place) * hours * HOUR)


def test_volatility_from_the_rounds_of_the_oracle(target: Run, world: World) -> None:
    """Without prices or a figure the oracle's own feed is read; the answer says that it understates."""
    end = world.head().timestamp
    push_rounds(world, "WETH", end=end, days=95)
    for arguments in (
        (),
        ("--prices", "feed"),
        ("--volatility", "ewma"),
        ("--prices", "feed", "--volatility", "implied:80%"),
    ):
        printed = target("comfortable", *arguments, "--json")
        assert printed.code == 0, printed.err
        market = printed.document["risk_market"]
        assert {"WETH ewma", "WETH long-run", "WETH floor"} <= {part["name"] for part in market["parts"]}
        assert 0.5 < market["volatility"] < 0.9
        assert any("rounds of the feed over 95 days" in note and "too low" in note for note in market["notes"])
    world.set_price("WETH", 3000 * 10**8, updated_at=end + 13 * HOUR)
    world.advance(10 * 24 * HOUR)
    old = target("comfortable")
    assert (4, "") == (old.code, old.out)
    assert "ends 9." in old.err
    assert "fix: give price files with --prices DIR, or a figure with --volatility 65%" in old.err


def test_rounds_with_a_silence_are_refused(target: Run, world: World) -> None:
    """A feed that said nothing for days leaves a gap, and a gap is not filled."""
    end = world.head().timestamp
    push_rounds(world, "WETH", end=end - 4 * 24 * HOUR, days=90)
    silent = target("comfortable", "--prices", "feed")
    assert (4, "") == (silent.code, silent.out)
    assert "is silent for" in silent.err
    assert "--prices DIR" in silent.err


def test_history_that_cannot_be_used_is_refused(target: Run, world: World, prices: Path) -> None:
    """A history that is old, in cents, or of too few assets ends with what would do."""
    end = world.head().timestamp
    (prices / "old").mkdir()
    write_prices(prices / "old" / "eth_1h.csv", end=end - 40 * 86_400, last=3000)
    old = target("comfortable", "--prices", str(prices / "old"))
    assert (4, True) == (old.code, "days before" in old.err)
    (prices / "cents").mkdir()
    write_prices(prices / "cents" / "eth_1h.csv", end=end, last=300_000)
    cents = target("comfortable", "--prices", str(prices / "cents"))
    assert (4, True) == (cents.code, "unit" in cents.err)
    (prices / "short").mkdir()
    write_prices(prices / "short" / "eth_1h.csv", end=end, last=3000, days=30)
    short = target("comfortable", "--prices", str(prices / "short"))
    assert (4, True) == (short.code, "--volatility" in short.err)
    single = target("mixed", "--prices", str(prices / "ethusd_1h.csv"))
    assert (2, True) == (single.code, "directory" in single.err)


@pytest.mark.parametrize("arguments", [(), ("--prices", "feed"), ("--volatility", "garch")])
def test_too_short_a_feed_says_from_when_prices_are_needed(
    target: Run, world: World, arguments: tuple[str, ...]
) -> None:
    """The feeds of a young chain tell too little: how far they reach, how far they should, and what would do."""
    printed = target("comfortable", *arguments)
    days = 503 if "garch" in arguments else 90
    since = datetime.fromtimestamp(world.head().timestamp - days * 86_400, UTC).date()
    assert (4, "") == (printed.code, printed.out)
    assert f"days, and {days} are needed" in printed.err
    assert "the present aggregator has no older ones" in printed.err
    assert f"fix: give price files from {since} on with --prices DIR, or a figure with --volatility 65%" in printed.err


def test_empty_account_is_no_error(target: Run) -> None:
    """An account without a position has nothing to set a leverage for, and that is an answer."""
    printed = target("empty", "--volatility", "65%")
    assert (0, True) == (printed.code, "no position" in printed.out)


def test_figures_follow_from_the_contracts(target: Run, world: World) -> None:
    """The borrow rate at another debt, as a float, is the strategy's own; bonus and close factor are the reserve's."""
    position = target_from_document(target("comfortable", "--volatility", "65%", "--json").document).position
    block = world.head()
    account = world.read("main", [world.account("comfortable")], block=block)[0]
    (rates,) = drive(read_rates(account, [world.token("USDC")]), world.reader(block).fetch)
    assert position.borrow_market is not None
    for share in (0, 0.2, 0.9, 0.999):
        extra = int(rates.liquidity * share)
        exact = rates.borrow_rate(borrowed=extra) / RAY
        assert exact == pytest.approx(quoted_rate(position.borrow_market, extra / 10**6), rel=1e-6)
    assert (0.05, 0.5) == (position.liquidation_bonus, position.close_factor)
    loop = target_from_document(target("loop", "--json").document).position
    assert (0.01, "correlated", False) == (loop.liquidation_bonus, loop.side, loop.market_priced)


def test_slower_users_need_more_health(target: Run, tmp_path: Path) -> None:
    """Who looks once a day gets a lower ceiling than who looks every hour, by flag or by settings."""
    slow = target("comfortable", "--volatility", "65%", "--reaction", "1d", "--json").document
    settings = tmp_path / "config.toml"
    settings.write_text('[target]\nreaction = "1d"\nprior_sharpe = "0.7"\n')
    usual = target("comfortable", "--volatility", "65%", "--json").document
    stated = target("comfortable", "--volatility", "65%", "--config", str(settings), "--json").document
    reaction = {name: _ceiling(document, "reaction") for name, document in (("slow", slow), ("usual", usual))}
    assert 1.2 < reaction["slow"]["health_factor"]
    assert reaction["slow"]["leverage"] < reaction["usual"]["leverage"]
    assert reaction["slow"] == _ceiling(stated, "reaction")
    assert "24 h to react" in reaction["slow"]["text"]
    assert "prior Sharpe ratio 0.7" in _ceiling(stated, "kelly")["text"]


def _ceiling(document: dict[str, Any], name: str) -> dict[str, Any]:
    found: dict[str, Any] = next(ceiling for ceiling in document["ceilings"] if ceiling["name"] == name)
    return found


def test_borrow_rate_at_the_target_is_what_the_pool_asks_then(target: Run, world: World) -> None:
    """Borrow up to the target, and the pool's own rate strategy stores the rate that the target was reckoned with."""
    for leverage in (1.9, 2.2):
        asked = ("--volatility", "30%", "--leverage", str(leverage), "--json")
        document = target("comfortable", *asked).document
        equity = Decimal(document["position"]["collateral_value"]) - Decimal(document["position"]["debt_value"])
        extra = equity * (Decimal(leverage) - 1) - Decimal(document["position"]["debt_value"])
        owner, pool = world.account("comfortable"), world.pool("main")
        data = interface("aave_v3_pool")["borrow"].encode(world.token("USDC"), int(extra * 10**6), 2, 0, owner)
        snapshot = world.rpc("evm_snapshot")
        assert world.send(owner, pool, data)["status"] == "0x1"
        (leg,) = [leg for leg in world.read("main", [owner])[0].legs if leg.side == "borrow"]
        assert leg.rate / RAY == pytest.approx(document["target"]["borrow_rate"], rel=1e-5)
        assert document["target"]["borrow_rate"] > document["now"]["borrow_rate"]
        world.rpc("evm_revert", snapshot)


def test_a_venue_that_does_not_answer_is_said_and_stops_nothing(target: Run, world: World) -> None:
    """Without its pools the target still stands; that nobody knows what a sale does to them is among the notes."""
    world.rpc("anvil_setCode", world.description["uniswap_v3"]["factory"], "0x")
    document = target("comfortable", "--volatility", "65%", "--json").document
    assert document["position"]["depth"] is None
    assert (None, None) == (document["spiral"]["move"], document["spiral"]["helps"])
    assert any("does to the pools is not known" in note["text"] for note in document["notices"])


def pool_price(world: World, amount: int) -> float:
    """Return the price of WETH in USDC, in base units, that the deep pool has after a sale of `amount` wei."""
    function = interface("uniswap_v3_quoter_v2")["quoteExactInputSingle"]
    asked = (world.token("WETH"), world.token("USDC"), amount, 500, 0)
    quoter = world.description["uniswap_v3"]["quoter_v2"]
    answer = world.rpc("eth_call", {"to": quoter, "data": "0x" + function.encode(asked).hex()}, "latest")
    root = function.decode(bytes.fromhex(answer[2:]))[1] / 2**96
    return float(1 / root**2)


def test_depth_is_what_the_pools_do_to_their_own_price(target: Run, world: World) -> None:
    """Selling for all that is owed moves the pool's price as far as the target says, to 2 %."""
    document = target("comfortable", "--volatility", "65%", "--json").document
    depth, spiral = document["position"]["depth"], document["spiral"]
    assert ("uniswap-v3", "WETH", "USDC") == (depth["venue"], depth["sold"], depth["bought"])
    fall = 1 - pool_price(world, int(Decimal(spiral["sale"]) / 3000 * 10**18)) / pool_price(world, 1000)
    assert fall == pytest.approx(spiral["move"], rel=0.02)
    assert spiral["helps"]
    assert spiral["move"] < spiral["critical_move"]
    assert target("debt-free", "--volatility", "65%", "--json").document["spiral"] is None


@pytest.mark.parametrize(
    "arguments",
    [
        ("--volatility", "65"),
        ("--volatility", "0%"),
        ("--volatility", "-10%"),
        ("--volatility", "nan%"),
        ("--volatility", "2000%"),
        ("--volatility", "implied:nothing"),
        ("--volatility", "65%", "--horizon", "0d"),
        ("--volatility", "65%", "--horizon", "-7d"),
        ("--volatility", "65%", "--horizon", "900d"),
        ("--volatility", "65%", "--max-liquidation-probability", "0%"),
        ("--volatility", "65%", "--max-liquidation-probability", "100%"),
        ("--volatility", "65%", "--max-liquidation-probability", "0.0001%"),
        ("--volatility", "65%", "--health-factor", "1"),
        ("--volatility", "65%", "--health-factor", "nan"),
        ("--volatility", "65%", "--health-factor", "2", "--leverage", "2"),
        ("--volatility", "65%", "--health-factor", "2", "--objective", "keep"),
        ("--volatility", "65%", "--objective", "moon"),
        ("--volatility", "65%", "--objective", "fixed"),
        ("--volatility", "65%", "--objective", "cppi"),
        ("--volatility", "65%", "--max-leverage", "0.5"),
        ("--volatility", "65%", "--min-health-factor", "0.9"),
        ("--volatility", "65%", "--risk-aversion", "0"),
        ("--volatility", "65%", "--expected-return", "20%", "--sharpe", "1"),
        ("--volatility", "65%", "--floor", "120%"),
        ("--volatility", "65%", "--reaction", "0h"),
        ("--volatility", "65%", "--prices", "feed"),
        ("--volatility", "65%", "--yield", "wstETH"),
        ("--volatility", "65%", "--yield", "DOGE=5%"),
        ("--volatility", "65%", "--debt", "DAI"),
        ("--volatility", "65%", "--sharpe", "1e9"),
        ("--volatility", "65%", "--market", "nowhere"),
    ],
)
def test_bad_input_ends_with_one_fix(target: Run, arguments: tuple[str, ...]) -> None:
    """What cannot be meant is refused with exit code 2, one sentence and one fix, and nothing on stdout."""
    printed = target("comfortable", *arguments)
    assert (2, "") == (printed.code, printed.out)
    assert printed.err.count("fix: ") == 1
    assert "Traceback" not in printed.err
