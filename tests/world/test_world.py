"""The local world is what it says it is: its accounts, its levers, its start and its end."""

import json
import os
import shutil
import socket
import stat
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

if TYPE_CHECKING:
    from localworld.control import Control

pytestmark = pytest.mark.world

ROOT = Path(__file__).resolve().parents[2]
WORLD = ROOT / "scripts" / "world"
ACCOUNT_DATA = "(uint256,uint256,uint256,uint256,uint256,uint256)"
NO_DEBT = 2**256 - 1
HEALTH = {
    "comfortable": ("2.0750", "2.0750"),
    "mixed": ("1.6627", "1.6626"),
    "loop": ("1.0500", "1.0500"),
    "liquidatable": ("0.9992", "0.9992"),
    "ltv-zero": ("2.0380", "2.0379"),
    "not-enabled": ("2.4900", "2.4900"),
    "debt-free": (None, None),
    "empty": (None, None),
    "dust": ("622500704", "830001035"),
    "short": ("1.7333", "1.7333"),
    **dict.fromkeys(("morpho-comfortable", "morpho-near", "morpho-liquidatable", "morpho-loop"), (None, None)),
    "morpho-several": ("3.1125", None),
    **dict.fromkeys(("perp-long", "perp-short", "perp-cross", "perp-near", "perp-liquidatable"), (None, None)),
    "hedged": (None, None),
}


def run(*arguments: str | Path, root: Path = ROOT, **environment: str) -> subprocess.CompletedProcess[str]:
    """Run scripts/world with this interpreter and return what it said."""
    return subprocess.run(
        [root / "scripts" / "world", *arguments],
        capture_output=True,
        text=True,
        check=False,
        timeout=300,
        env={**os.environ, "WORLD_PYTHON": sys.executable, **environment},
    )


def up(directory: Path, *more: str) -> dict[str, Any]:
    """Start a world and return what it printed."""
    done = run("up", "--dir", directory, *more)
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)


@pytest.fixture(scope="module")
def directory(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """The folder of a world that lives as long as this module."""
    folder = tmp_path_factory.mktemp("served") / "world"
    up(folder)
    yield folder
    run("down", "--dir", folder)


@pytest.fixture(scope="module")
def levers(directory: Path) -> Iterator["Control"]:
    """The levers of the running world."""
    with pytest.MonkeyPatch.context() as patch:
        patch.syspath_prepend(ROOT / "scripts" / "world.d")
        from localworld.control import Control

        control = Control.of(directory)
        yield control
        control.rpc.close()


@pytest.fixture
def control(levers: "Control") -> Iterator["Control"]:
    """The levers, with everything put back afterwards."""
    snapshot = levers.rpc.request("evm_snapshot")
    yield levers
    levers.rpc.request("evm_revert", snapshot)


def address(control: "Control", name: str) -> str:
    """The address of a named account."""
    return next(account["address"] for account in control.world["accounts"] if account["name"] == name)


def account_data(control: "Control", name: str, market: str = "main") -> Any:
    """Collateral, debt, available, threshold, LTV, health factor, as the pool says."""
    pool = control.world["markets"][market]["pool"]
    return control.chain.call(pool, "getUserAccountData(address)", ACCOUNT_DATA, address(control, name))


def price(control: "Control", symbol: str, market: str = "main") -> int:
    """A token's price from the market's own oracle, in 1e-8 dollars."""
    oracle, token = control.world["markets"][market]["oracle"], control.world["tokens"][symbol]["address"]
    return int(control.chain.call(oracle, "getAssetPrice(address)", "(uint256)", token))


def sold(control: "Control", pool: str, amount: int) -> float:
    """What one WETH brings on average when `amount` of them are sold into a pool, in the other token."""
    described, tokens = control.world["pools"][pool], control.world["tokens"]
    symbols = (described["token0"], described["token1"])
    other = next(symbol for symbol in symbols if symbol != "WETH")
    weth, bought = tokens["WETH"]["address"], tokens[other]
    quote = (weth, bought["address"], amount * 10**18, described["fee"], 0)
    signature = "quoteExactInputSingle((address,address,uint256,uint24,uint160))"
    quoter = control.world["uniswap_v3"]["quoter_v2"]
    raw = control.chain.call(quoter, signature, "(uint256,uint160,uint32,uint256)", quote)[0]
    return float(raw / 10 ** bought["decimals"] / amount)


@pytest.mark.parametrize("name", HEALTH)
@pytest.mark.parametrize(("market", "place"), [("main", 0), ("spark", 1)])
def test_accounts_are_as_named(control: "Control", name: str, market: str, place: int) -> None:
    """Every named account has, on both markets, the health that its name promises."""
    expected, found = HEALTH[name][place], account_data(control, name, market)[5]
    if expected is None:
        assert found == NO_DEBT
    else:
        assert found / 10**18 == pytest.approx(float(expected), abs=5e-5, rel=1e-8)


def test_every_account_is_described(control: "Control") -> None:
    """world.json names at least ten accounts, each with everything a user needs to act as it."""
    accounts = control.world["accounts"]
    assert list(HEALTH) == [account["name"] for account in accounts]
    for account in accounts:
        assert account["about"]
        for key in ("keystore", "password_file"):
            assert stat.S_IMODE(Path(account[key]).stat().st_mode) == 0o600


def test_keystores_open_with_the_password_file(control: "Control") -> None:
    """A keystore is version 3 and gives the key of its account."""
    from eth_account import Account

    account = control.world["accounts"][0]
    keystore = json.loads(Path(account["keystore"]).read_text())
    password = Path(account["password_file"]).read_text().strip()
    assert keystore["version"] == 3
    assert Account.from_key(Account.decrypt(keystore, password)).address == account["address"]


def test_zero_ltv_collateral_counts_for_health_only(control: "Control") -> None:
    """The LTV-0 account has a lower LTV than its other collateral alone would give, on both markets."""
    for market in ("main", "spark"):
        *_, threshold, loan_to_value, _ = account_data(control, "ltv-zero", market)
        assert (threshold, loan_to_value) == (7838, 1857)


def test_markets_are_two_versions(control: "Control") -> None:
    """`main` is a 3.6 pool, `spark` a 3.0 one."""
    for market, revision in (("main", 10), ("spark", 1)):
        pool = control.world["markets"][market]["pool"]
        assert control.chain.call(pool, "POOL_REVISION()", "(uint256)") == revision


def test_fall_of_ether_moves_staked_ether(control: "Control") -> None:
    """wstETH follows ETH on both markets, and a loop of the two keeps its health."""
    before = account_data(control, "loop")[5]
    control.set_price("WETH", "2400")
    for market in ("main", "spark"):
        assert (price(control, "WETH", market), price(control, "wstETH", market)) == (2400 * 10**8, 2928 * 10**8)
    assert account_data(control, "loop")[5] / before == pytest.approx(1, abs=1e-5)


def test_rate_is_capped(control: "Control") -> None:
    """A depeg lowers wstETH, a rate above the cap counts as the cap."""
    control.set_rate("wstETH", "1.10")
    assert price(control, "wstETH") == 3300 * 10**8
    control.set_rate("wstETH", "1.40")
    assert price(control, "wstETH") == 3900 * 10**8
    control.set_rate("wstETH", "1.40", cap="1.35")
    assert price(control, "wstETH") == 4050 * 10**8


def test_stale_feed_makes_its_adapter_stale(control: "Control") -> None:
    """A test can give a feed any time, and the adapter on top of it shows the same."""
    control.set_answer("WETH", 3000 * 10**8, updated_at=1_700_000_000)
    returns = "(uint80,int256,uint256,uint256,uint80)"
    for symbol, answer in (("WETH", 3000), ("wstETH", 3660)):
        feed = control.world["feeds"][symbol]["address"]
        data = control.chain.call(feed, "latestRoundData()", returns)
        assert (data[1], data[3]) == (answer * 10**8, 1_700_000_000)


def test_pools_are_deep_shallow_and_pushable(control: "Control") -> None:
    """Selling 10 WETH costs the fee in a deep pool and far more in the shallow one; a push moves a pool."""
    assert sold(control, "WETH/USDC 0.05%", 10) == pytest.approx(3000, rel=0.001)
    assert sold(control, "WETH/USDC 0.3%", 10) < 2800
    assert sold(control, "WETH/DAI 0.3%", 1) == pytest.approx(2990, rel=0.001)
    control.push("WETH/DAI 0.3%", sell="WETH", amount=control.world["pools"]["WETH/DAI 0.3%"]["push"])
    assert sold(control, "WETH/DAI 0.3%", 1) < 2400


def test_no_return_token_says_nothing(control: "Control") -> None:
    """The USDT-like token's approve returns no data, and a second approval without a reset reverts."""
    token = control.world["tokens"]["USDT"]["address"]
    call = {"from": control.owner, "to": token, "data": "0x095ea7b3" + "11".rjust(64, "0") + "01".rjust(64, "0")}
    assert control.rpc.request("eth_call", call, "latest") == "0x"
    from localworld.errors import WorldError

    router = control.world["uniswap_v3"]["swap_router_02"]  # the owner has approved it
    taken = {**call, "data": "0x095ea7b3" + router[2:].rjust(64, "0") + "01".rjust(64, "0")}
    with pytest.raises(WorldError, match="revert"):
        control.rpc.request("eth_call", taken, "latest")


def test_time_moves_and_interest_accrues(control: "Control") -> None:
    """A block is 12 s, `finalized` exists, and debt grows with time."""
    start, debt = control.chain.timestamp(), account_data(control, "mixed")[1]
    control.mine(100)
    assert control.chain.timestamp() - start == 1200
    assert account_data(control, "mixed")[1] > debt
    assert control.rpc.request("eth_getBlockByNumber", "finalized", False) is not None


def test_unsigned_transactions_are_refused(control: "Control") -> None:
    """As on a real node, nobody acts without a signature."""
    from localworld.rpc import RpcFault

    with pytest.raises(RpcFault, match="No Signer"):
        control.rpc.request("eth_sendTransaction", {"from": control.owner, "to": control.owner})


def test_up_again_keeps_the_running_world(directory: Path) -> None:
    """`up` on a running world returns it at once; `--fresh` starts a new one."""
    first = json.loads((directory / "world.json").read_text())
    started = time.monotonic()
    assert up(directory)["pid"] == first["pid"]
    assert time.monotonic() - started < 2


def test_worlds_side_by_side_leave_nothing(directory: Path, tmp_path: Path) -> None:
    """A second world, of chain id 1, starts in 2 s beside the first, and `down` removes every trace of it."""
    up(tmp_path / "one", "--chain-id", "1")
    run("down", "--dir", tmp_path / "one")
    started = time.monotonic()
    world = up(tmp_path / "one", "--chain-id", "1")
    assert time.monotonic() - started < 2
    assert world["chain_id"] == 1
    assert "id = 1\n" in Path(world["address_book"]).read_text()
    assert run("down", "--dir", tmp_path / "one").returncode == 0
    assert not (tmp_path / "one").exists()
    with socket.socket() as probe:
        assert probe.connect_ex(("127.0.0.1", int(world["rpc_url"].rpartition(":")[2]))) != 0
    assert json.loads(run("status", "--dir", directory).stdout)["running"] is True


def test_down_never_stops_a_stranger(tmp_path: Path) -> None:
    """A recorded process id that has come to mean another process is left alone."""
    (tmp_path / "world.json").write_text(json.dumps({"pid": os.getpid(), "rpc_url": "", "chain_id": 31337}))
    done = run("down", "--dir", tmp_path)
    assert (done.returncode, done.stderr.strip()) == (0, "world: no world runs here")


def test_taken_port_is_said(directory: Path, tmp_path: Path) -> None:
    """A port in use is one sentence and a fix."""
    port = json.loads((directory / "world.json").read_text())["rpc_url"].rpartition(":")[2]
    done = run("up", "--dir", tmp_path / "other", "--port", port)
    assert done.returncode == 1
    assert done.stderr.splitlines()[-2:] == [
        "error: the port is taken",
        "fix: choose another --port, or leave it out for a free one",
    ]


def test_missing_npm_is_said(tmp_path: Path) -> None:
    """Without npm and without a cache the command says what to install, and leaves no half package."""
    (tmp_path / "scripts").mkdir()
    shutil.copy(WORLD, tmp_path / "scripts" / "world")
    shutil.copytree(WORLD.with_name("world.d"), tmp_path / "scripts" / "world.d")
    (tmp_path / "bin").mkdir()
    for name in ("bash", "dirname"):
        (tmp_path / "bin" / name).symlink_to(shutil.which(name) or name)
    done = run("anvil", root=tmp_path, PATH=str(tmp_path / "bin"))
    assert done.returncode == 1
    assert done.stderr.splitlines() == [
        "error: npm was not found",
        "fix: install Node.js 20 or newer, which brings npm",
    ]
    assert not list((tmp_path / ".world").rglob("*anvil*"))
