"""`defilev rebalance` from a plan to a checked position on the local chain: tried, signed, exported, sent, verified."""

from __future__ import annotations

import json
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
from eth_account import Account

from defilev.abi import keccak
from defilev.units import WAD
from tests.support.cli import Cli, assert_refused, credentials, untouched
from tests.support.executors import deploy_executor
from tests.support.world import World

pytestmark = pytest.mark.world

DRY_RUN = "DRY RUN: nothing was signed."
MARKETS = ("main", "spark")
ROUTER = "0x68b3465833fb72A70ecDF485E0e4C7bD8665Fc45"


@pytest.fixture(autouse=True)
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Run in a working directory of the test's own."""
    inside = tmp_path / "work"
    inside.mkdir()
    monkeypatch.chdir(inside)
    return inside


def _allowances(world: World, owner: str, market: str) -> dict[str, int]:
    """Return what the router and the pool may take of each token, where it is anything."""
    from defilev.abi import interface

    allowance = interface("erc20")["allowance"]
    found = {}
    for symbol, token in world.description["tokens"].items():
        for spender in (ROUTER, world.pool(market)):
            call = allowance.call(token["address"], owner, spender)
            data = {"to": call.to, "data": "0x" + call.data.hex()}
            found[f"{symbol} {spender}"] = int(world.rpc("eth_call", data, "latest"), 16)
    return {name: amount for name, amount in found.items() if amount}


def _included(world: World, transaction_hash: str) -> bool:
    """Wait for a receipt and return whether the transaction succeeded."""
    receipt = None
    while receipt is None:
        receipt = world.rpc("eth_getTransactionReceipt", transaction_hash)
    return bool(receipt["status"] == "0x1")


def _health(cli: Cli, name: str, market: str) -> dict[str, Any]:
    printed = cli("health", name, *cli.world.flags(market), "--json")
    assert 0 == printed.code, printed.err
    account: dict[str, Any] = printed.document["accounts"][0]
    return account


@pytest.mark.parametrize("market", MARKETS)
@pytest.mark.parametrize(
    ("name", "goal"),
    [
        ("mixed", ("--to-health-factor", "2")),
        ("mixed", ("--to-leverage", "1.7", "--repay", "DAI", "--sell", "WBTC")),
        ("comfortable", ("--close",)),
        ("loop", ("--to-health-factor", "1.2", "--max-slippage", "0.3%")),
        ("short", ("--to-health-factor", "3")),
        ("ltv-zero", ("--to-health-factor", "2.2")),
        ("not-enabled", ("--close",)),
        ("dust", ("--close",)),
        ("debt-free", ("--close",)),
    ],
    ids=lambda value: value if isinstance(value, str) else value[0],
)
def test_a_dry_run_plans_tries_and_signs_nothing(
    cli: Cli, folder: Path, name: str, goal: tuple[str, ...], market: str
) -> None:
    """Without being asked to act it ends with a plan that was tried and held, and nothing is changed anywhere."""
    with untouched(cli.world, folder):
        printed = cli.rebalance(name, *goal, *cli.world.flags(market))
        document = cli.rebalance(name, *goal, *cli.world.flags(market), "--json").document

    assert 0 == printed.code, printed.err
    assert DRY_RUN == printed.out.splitlines()[-1]
    assert "✗" not in printed.out
    assert ("defilev/rebalance@1", "dry-run") == (document["schema"], document["mode"])
    assert [None, None, None] == [document[done] for done in ("signed", "unsigned", "execution")]
    assert document["simulation"]["succeeded"]
    assert document["plan"]["hash"] == document["simulation"]["plan_hash"]


def test_the_same_plan_twice_is_the_same_hash(cli: Cli) -> None:
    """The same block and question give the same plan, byte for byte."""
    first, second = (cli.rebalance("mixed", "--to-health-factor", "2", "--json").document["plan"] for _ in range(2))

    assert first == second


@pytest.mark.parametrize("engine", ["anvil", "simulate-v1"])
def test_both_engines_reach_the_plan_s_own_prediction(cli: Cli, engine: str) -> None:
    """Either engine ends within a millionth of the health factor that the plan predicted for the last step."""
    document = cli.rebalance("short", "--to-health-factor", "3", "--engine", engine, "--json").document

    predicted = int(document["plan"]["steps"][-1]["health_factor"])
    assert engine == document["simulation"]["engine"]
    assert float(document["simulation"]["health_factor"]) == pytest.approx(predicted, rel=1e-6)


@pytest.mark.parametrize("market", MARKETS)
def test_mixed_to_a_health_factor_of_two(cli: Cli, market: str) -> None:
    """Sent and read again: at least what was promised, at most 0.01 above the target, and no allowance is left."""
    owner = cli.world.account("mixed")
    words = ("mixed", "--to-health-factor", "2", *cli.world.flags(market), "--broadcast")
    printed = cli.rebalance(*words, *credentials(cli.world, "mixed"), "--json")
    assert 0 == printed.code, printed.err
    document = printed.document
    execution = document["execution"]
    promised, got = int(execution["promised"]), int(execution["got"])

    assert "broadcast" == document["mode"]
    assert 2 * WAD <= promised <= 2 * WAD + WAD // 1000
    assert promised - WAD // 1000 <= got <= 2 * WAD + WAD // 100
    assert str(got) == _health(cli, "mixed", market)["health_factor"]["wad"]
    assert {"included"} == {step["status"] for step in execution["steps"]}
    assert [step["index"] for step in document["plan"]["steps"]] == [step["index"] for step in execution["steps"]]
    assert int(execution["fee_paid"]) == sum(int(step["fee_paid"]) for step in execution["steps"])
    assert {} == _allowances(cli.world, owner, market)


@pytest.mark.parametrize("market", MARKETS)
def test_closing_leaves_no_dust_and_gives_everything_back(cli: Cli, market: str) -> None:
    """After `--close` nothing is owed or supplied, and the wallet has gained all of the equity but the cost."""
    world, owner = cli.world, cli.world.account("comfortable")
    before = {symbol: world.balance(symbol, owner) for symbol in ("WETH", "USDC")}
    (account,) = world.read(market, [owner])
    printed = cli.rebalance("comfortable", "--close", *world.flags(market), "--broadcast",
                            *credentials(world, "comfortable"))  # fmt: skip
    (after,) = world.read(market, [owner])
    gained = {symbol: world.balance(symbol, owner) - amount for symbol, amount in before.items()}

    assert 0 == printed.code, printed.err
    assert after.is_empty
    assert (0, 0) == (after.debt_value, after.collateral_value)
    equity = Decimal(account.equity_value).scaleb(-8)
    got = Decimal(gained["WETH"]).scaleb(-18) * 3000 + Decimal(gained["USDC"]).scaleb(-6)
    assert equity * Decimal("0.995") < got < equity
    assert {} == _allowances(world, owner, market)
    assert "no debt" in printed.out
    assert "in 7 transactions" in printed.out


def test_an_isolated_market_is_brought_to_its_goal_and_closed(cli: Cli) -> None:
    """On Morpho Blue: what was promised is got, closing by shares leaves nothing, and nobody may act for the owner."""
    world, name, market = cli.world, "morpho-comfortable", "wstETH/USDC"
    owner, words = world.account(name), (name, *world.flags(market), "--broadcast", *credentials(world, name), "--json")
    granted = _allowances(world, owner, market)
    raised = cli.rebalance(*words, "--to-health-factor", "2.5")
    assert 0 == raised.code, raised.err
    execution = raised.document["execution"]
    assert str(execution["got"]) == _health(cli, name, market)["health_factor"]["wad"]
    assert int(execution["promised"]) - WAD // 1000 <= int(execution["got"]) <= 5 * WAD // 2 + WAD // 100

    closed = cli.rebalance(*words, "--close")
    assert 0 == closed.code, closed.err
    (after,) = world.read(market, [owner])
    details = dict(after.details)
    assert ("0", "0", "0") == (details["borrow_shares"], details["collateral"], details["supply_shares"])
    assert granted == _allowances(world, owner, market)
    topic = "0x" + keccak(b"SetAuthorization(address,address,address,bool)").hex()
    asked = {"fromBlock": "0x0", "toBlock": "latest", "address": world.pool(market), "topics": [topic]}
    assert [] == world.rpc("eth_getLogs", asked)


def test_the_dust_account_is_closed_from_its_wallet(cli: Cli) -> None:
    """A few wei of debt are repaid from the wallet, without selling anything, and the collateral comes back."""
    printed = cli.rebalance("dust", "--close", "--broadcast", *credentials(cli.world, "dust"), "--json")

    assert 0 == printed.code, printed.err
    assert "swap" not in {step["action"]["kind"] for step in printed.document["plan"]["steps"]}
    assert cli.world.read("main", [cli.world.account("dust")])[0].is_empty


def test_the_loop_is_offered_a_part_and_gets_it(cli: Cli) -> None:
    """Past twelve rounds the plan is labelled partial, says what it reaches, and reaches it when it is sent."""
    words = ("loop", "--to-health-factor", "1.5", "--max-slippage", "0.5%")
    offered = cli.rebalance(*words)
    sent = cli.rebalance(*words, "--broadcast", *credentials(cli.world, "loop"), "--json")
    assert 0 == sent.code, sent.err
    execution = sent.document["execution"]

    assert "PARTIAL: 12 rounds reach a health factor of" in offered.out
    assert sent.document["plan"]["label"].startswith("PARTIAL")
    assert 60 == len(execution["steps"])
    assert int(execution["promised"]) - WAD // 1000 <= int(execution["got"]) < WAD * 3 // 2
    assert {} == _allowances(cli.world, cli.world.account("loop"), "main")


def test_a_plan_file_is_sent_as_it_was_reviewed(cli: Cli, folder: Path) -> None:
    """`plan -o`, then `rebalance --plan` with the hash that was read: the very calls of the file are sent."""
    document = cli.plan(folder / "plan.json", "short", "--to-health-factor", "2.2")
    words = ("short", "--plan", str(folder / "plan.json"), "--confirm-plan", str(document["hash"]))
    dry = cli.rebalance(*words)
    sent = cli.rebalance(*words, "--broadcast", *credentials(cli.world, "short"), "--json")

    assert DRY_RUN == dry.out.splitlines()[-1]
    assert 0 == sent.code, sent.err
    assert document == sent.document["plan"]
    for step, done in zip(document["steps"], sent.document["execution"]["steps"], strict=True):
        assert step["data"] == cli.world.rpc("eth_getTransactionByHash", done["hash"])["input"]


def test_a_plan_is_sent_once(cli: Cli, folder: Path) -> None:
    """The same plan file a second time is refused: the account has acted since."""
    cli.plan(folder / "plan.json", "short", "--to-health-factor", "2.2")
    words = ("short", "--plan", str(folder / "plan.json"), "--broadcast", *credentials(cli.world, "short"))
    first = cli.rebalance(*words)
    with untouched(cli.world, folder):
        second = cli.rebalance(*words, "--json")

    assert 0 == first.code, first.err
    assert second.code in (6, 7)
    assert_refused(second, code=second.code, said="", is_json=True)


def test_another_hash_than_the_reviewed_one_is_refused(cli: Cli, folder: Path) -> None:
    """With `--confirm-plan` of another plan nothing is shown as agreed, and nothing is tried or signed."""
    words = ("mixed", "--to-health-factor", "2", "--broadcast", *credentials(cli.world, "mixed"))
    with untouched(cli.world, folder):
        printed = cli.rebalance(*words, "--confirm-plan", "ab" * 32, "--json")

    assert_refused(printed, code=7, said="--confirm-plan is not the hash of this plan", is_json=True)


def test_only_the_next_step_is_signed(cli: Cli, folder: Path) -> None:
    """Of a plan with five steps the first is signed and nothing sent, and it says that the rest is not."""
    words = ("comfortable", "--to-health-factor", "2.2", "--sign-only", *credentials(cli.world, "comfortable"))
    with untouched(cli.world, folder):
        printed = cli.rebalance(*words)
        signed = cli.rebalance(*words, "--json").document["signed"]

    assert 0 == printed.code, printed.err
    assert "signed 1/5" in printed.out
    assert "nothing was sent" in printed.out
    assert "not signed: the 4 steps after it; plan again once it is included" in printed.out
    raw = next(line for line in printed.out.splitlines() if line.startswith("0x02"))
    assert cli.world.account("comfortable") == Account.recover_transaction(raw)
    assert signed["hash"] == cli.world.rpc("eth_sendRawTransaction", signed["raw"])
    assert _included(cli.world, signed["hash"])


def test_a_single_transaction_is_signed_whole(cli: Cli) -> None:
    """A debt-free account is closed with one transaction, and once anybody has sent it nothing is left."""
    words = ("debt-free", "--close", "--sign-only", *credentials(cli.world, "debt-free"))
    printed = cli.rebalance(*words)
    raw = next(line for line in printed.out.splitlines() if line.startswith("0x02"))
    sent = cli.world.rpc("eth_sendRawTransaction", raw)
    assert _included(cli.world, sent)

    assert 0 == printed.code, printed.err
    assert "signed 1/1" in printed.out
    assert "not signed" not in printed.out
    assert cli.world.read("main", [cli.world.account("debt-free")])[0].is_empty


def test_transactions_are_exported_for_another_signer(cli: Cli, folder: Path) -> None:
    """The file holds every transaction with its nonce and fees; another library signs them, and they do the job."""
    world, keystore = cli.world, cli.world.credentials("comfortable")
    printed = cli.rebalance("comfortable", "--close", "--unsigned", folder / "unsigned.json", "--json")
    document = json.loads((folder / "unsigned.json").read_text())
    key = Account.decrypt(keystore[0].read_text(), keystore[1].read_text().strip())
    for each in document["transactions"]:
        fields = {"chainId": document["chain_id"], "type": 2, "nonce": each["nonce"], "to": each["to"],
                  "value": int(each["value"]), "data": each["data"], "gas": int(each["gas_limit"]),
                  "maxFeePerGas": int(each["max_fee_per_gas"]),
                  "maxPriorityFeePerGas": int(each["max_priority_fee_per_gas"])}  # fmt: skip
        signed = Account.sign_transaction(fields, key)
        sent = world.rpc("eth_sendRawTransaction", signed.raw_transaction.to_0x_hex())
        assert _included(world, sent)

    assert 0 == printed.code, printed.err
    assert document == printed.document["unsigned"]
    assert [folder / "unsigned.json"] == list(folder.iterdir())
    assert world.read("main", [world.account("comfortable")])[0].is_empty


def test_the_working_directory_may_not_steer_money(cli: Cli, folder: Path) -> None:
    """A node or limit from `./.env` or `./defilev.toml` serves a dry run, and is refused when something is signed."""
    (folder / ".env").write_text("DEFILEV_MAX_SLIPPAGE=9%\n")
    words = ("mixed", "--to-health-factor", "2")
    dry = cli.rebalance(*words)
    with untouched(cli.world, folder):
        for mode in ("--broadcast", "--sign-only"):
            printed = cli.rebalance(*words, mode, *credentials(cli.world, "mixed"), "--json")
            assert_refused(printed, code=7, said="max_slippage comes from the working directory", is_json=True)
        assert_refused(cli.rebalance(*words, "--unsigned", "out.json"), code=7, said="comes from the working directory")

    assert 0 == dry.code, dry.err
    given = cli.rebalance(*words, "--max-slippage", "1%", "--sign-only", *credentials(cli.world, "mixed"))
    assert 0 == given.code, given.err


def test_the_owner_s_own_keystore_is_found(cli: Cli, folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Without naming one, the keystore in the keystore folder whose account is the owner's signs; by name too."""
    keystore, password_file = cli.world.credentials("short")
    keys = folder.parent / "keystores"
    keys.mkdir(mode=0o700)
    (keys / "trading").write_bytes(keystore.read_bytes())
    (keys / "trading").chmod(0o600)
    monkeypatch.setenv("DEFILEV_KEYSTORE_DIR", str(keys))
    words = ("short", "--to-health-factor", "2", "--sign-only", "--password-file", password_file)

    for chosen in ((), ("--account", "trading")):
        printed = cli.rebalance(*words, *chosen)
        assert 0 == printed.code, printed.err
        assert "signed 1/5" in printed.out


def test_a_limit_of_this_machine_holds_whatever_the_plan_says(cli: Cli, folder: Path) -> None:
    """A slippage that may be asked for and is beyond the policy is refused before anything is tried: exit 7."""
    with untouched(cli.world, folder):
        printed = cli.rebalance("mixed", "--to-health-factor", "2", "--max-slippage", "40%", "--json")

    assert_refused(printed, code=7, said="the plan is not allowed: max slippage", is_json=True)


def test_in_one_transaction_when_asked_by_name(cli: Cli, world: World) -> None:
    """An approval and a call of the executor are signed and sent through the journal, and the promise is kept."""
    deploy_executor(world)

    sent = cli.rebalance(
        "loop", "--to-health-factor", "1.2", "--via", "atomic", "--broadcast", *credentials(world, "loop")
    )

    assert 0 == sent.code, sent.err
    assert "2 transactions and signatures" in sent.out
    after = world.read("main", [world.account("loop")])[0].health_factor
    assert after is not None
    assert 1.2 <= after / 10**18 <= 1.21
    assert "journal #1" in sent.out


def test_without_the_executor_nothing_is_signed(cli: Cli, world: World) -> None:
    """Asked for by name and not there: refused, and no nonce moves."""
    with untouched(world):
        refused = cli.rebalance("loop", "--to-health-factor", "1.2", "--via", "atomic", "--broadcast")

    assert_refused(refused, code=7, said="the executor is not deployed on local")
