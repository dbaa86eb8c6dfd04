"""The guard on the local chain: real prices, a real reserve, real processes that are killed."""

from __future__ import annotations

import json
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import closing, contextmanager, suppress
from pathlib import Path
from typing import Any

import pytest

from defilev.abi import encode, keccak
from defilev.config.settings import Settings
from defilev.errors import DataError
from defilev.journal import open_for_reading, open_journal, place_of
from defilev.model.request import Address
from defilev.pipeline.recording import chain_identity
from defilev.pipeline.session import connect
from tests.support import postgres
from tests.support.cli import Cli, Printed, assert_refused, credentials, untouched
from tests.support.guards import rules_file
from tests.support.journals import a_receipt, a_reservation, an_attempt, an_outcome, begun
from tests.support.killed import in_flight, wait_until
from tests.support.safes import deploy_safes, open_treasury
from tests.support.world import World

pytestmark = pytest.mark.world

WHO, PAYER = "comfortable", "empty"
TRIGGER = '[[account.trigger]]\nkind = "health"\nbelow = "1.9"'
FALLEN = 2_600 * 10**8
"""The price at which the account's health is 1.80."""


@pytest.fixture
def cli(world: World, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> Cli:
    """Return `defilev` on the local chain, 140 columns wide."""
    monkeypatch.setenv("COLUMNS", "140")
    return Cli.on(world, capsys)


@pytest.fixture
def path(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Return where the journal will be."""
    place = tmp_path / "journal.db"
    monkeypatch.setenv("DEFILEV_JOURNAL", str(place))
    return place


def rules(cli: Cli, folder: Path, *, who: str = PAYER, **said: Any) -> Path:
    """Write the rules of an account that the key of `who` keeps above health 1.9 and takes to 2.0."""
    keystore, password_file = cli.world.credentials(who)
    usual: dict[str, Any] = {
        "owner": f'"{cli.world.account(WHO)}"',
        "payer": f'"{cli.world.account(PAYER)}"',
        "keystore": f'"{keystore}"',
        "password_file": f'"{password_file}"',
        "goal": '{ health_factor = "2.0" }',
        "triggers": TRIGGER,
        "guard": {"single_endpoint": "true"},
    }
    return rules_file(folder / "guard.toml", **(usual | said))


def give(world: World, symbol: str, to: Address, amount: int) -> None:
    """Let the operator send tokens."""
    operator = Address(world.description["operators"][0]["address"])
    data = keccak(b"transfer(address,uint256)")[:4] + encode(["address", "uint256"], [to, amount])
    assert world.send(operator, world.token(symbol), data)["status"] == "0x1"


def once(cli: Cli, file: Path, *more: str) -> Printed:
    """Look once."""
    return cli("guard", "run", "--once", "--rules", file, *more)


def tick(printed: Printed) -> dict[str, Any]:
    """Return the one line of JSON that a look printed."""
    document: dict[str, Any] = json.loads(printed.out.splitlines()[0])
    return document


def health(cli: Cli) -> float:
    """Return the account's health factor."""
    (account,) = cli.world.read("main", [cli.world.account(WHO)])
    assert account.health_factor is not None
    return account.health_factor / 10**18


def is_brought_to(goal: float, cli: Cli) -> bool:
    """Tell whether the account is at the goal; in the instant of a new block the node may have no answer yet."""
    with suppress(DataError):
        return health(cli) >= goal
    return False


def runs(path: Path) -> list[dict[str, Any]]:
    """Return the runs of the journal, the newest first."""
    found = open_for_reading(place_of(path))
    assert found is not None
    with found:
        return found.runs()


def test_a_dry_run_tells_what_it_would_do_and_signs_nothing(cli: Cli, path: Path, tmp_path: Path) -> None:
    """A trigger that fires is planned for and tried on a fork, ends with 5, and leaves the chain as it was."""
    give(cli.world, "USDC", cli.world.account(PAYER), 50_000 * 10**6)
    cli.world.set_price("WETH", FALLEN)
    with untouched(cli.world):
        printed = once(cli, rules(cli, tmp_path), "--json")

    assert 5 == printed.code, printed.err
    report = tick(printed)
    assert ("defilev/guard-tick@1", False, True) == (report["schema"], report["is_broadcasting"], report["is_leader"])
    assert ["act"] == [decision["verdict"] for decision in report["decisions"]]
    assert [("dry-run", "reserve")] == [(acted["outcome"], acted["way"]) for acted in report["acted"]]
    assert [] == runs(path)


def test_a_calm_account_ends_a_look_with_0(cli: Cli, path: Path, tmp_path: Path) -> None:
    """Above every trigger there is nothing to tell but what the reserve lacks."""
    printed = once(cli, rules(cli, tmp_path, reserve_for='"30%"'), "--json")
    report = tick(printed)

    assert 0 == printed.code, printed.err
    assert ["reserve-short"] == [alert["kind"] for alert in report["alerts"]]
    again = tick(once(cli, rules(cli, tmp_path, reserve_for='"30%"'), "--json"))
    assert [] == again["alerts"]


def test_the_reserve_repays_on_the_owners_behalf_to_the_goal(cli: Cli, path: Path, tmp_path: Path) -> None:
    """The payer's exact USDC lowers the owner's debt to the goal; no allowance and no owner's signature is needed."""
    owner, payer = cli.world.account(WHO), cli.world.account(PAYER)
    give(cli.world, "USDC", payer, 50_000 * 10**6)
    held, nonce = cli.world.balance("USDC", payer), cli.world.node.nonce(owner)
    cli.world.set_price("WETH", FALLEN)
    file = rules(cli, tmp_path)
    printed = once(cli, file, "--broadcast", "--json")

    assert 0 == printed.code, printed.err
    report = tick(printed)
    assert [("done", "reserve")] == [(acted["outcome"], acted["way"]) for acted in report["acted"]]
    assert 2.0 <= health(cli) < 2.01
    assert 0 < held - cli.world.balance("USDC", payer) < 10_000 * 10**6
    assert nonce == cli.world.node.nonce(owner)
    assert 0 == allowance(cli.world, payer)
    assert ["guard"] == [run["kind"] for run in runs(path)]
    assert "nothing" == tick(once(cli, file, "--broadcast", "--json"))["decisions"][0]["verdict"]
    assert "health: 1.798" in cli("guard", "explain", "1").out
    assert 0 == cli("journal", "verify").code


@pytest.mark.parametrize(
    ("granted", "kinds"),
    [(1_000, ["repay", "approve", "repay"]), (40_000, ["approve", "approve", "repay"])],
    ids=["less-than-the-goal-asks-for", "more"],
)
def test_what_a_reserve_granted_before_is_repaid_first(
    cli: Cli, path: Path, tmp_path: Path, granted: int, kinds: list[str]
) -> None:
    """An allowance that a killed process left is used at once when the goal asks for more; none of it is left over."""
    payer = cli.world.account(PAYER)
    give(cli.world, "USDC", payer, 50_000 * 10**6)
    data = keccak(b"approve(address,uint256)")[:4]
    data += encode(["address", "uint256"], [cli.world.pool("main"), granted * 10**6])
    assert "0x1" == cli.world.send(payer, cli.world.token("USDC"), data)["status"]
    cli.world.set_price("WETH", FALLEN)
    report = tick(once(cli, rules(cli, tmp_path), "--broadcast", "--json"))

    assert ["done"] == [acted["outcome"] for acted in report["acted"]], report
    assert kinds == steps(path)
    assert 2.0 <= health(cli) < 2.01
    assert 0 == allowance(cli.world, payer)


def steps(path: Path) -> list[str]:
    """Return what the transactions of the journal's first plan do."""
    journal = open_for_reading(place_of(path))
    assert journal is not None
    with closing(journal):
        return [step["kind"] for step in journal.run(1)["step"]]


def test_a_reserve_that_does_not_suffice_repays_what_it_has_and_calls(cli: Cli, path: Path, tmp_path: Path) -> None:
    """All of a small reserve is used, and a person is told that the goal is not reached."""
    payer = cli.world.account(PAYER)
    give(cli.world, "USDC", payer, 1_000 * 10**6)
    cli.world.set_price("WETH", FALLEN)
    report = tick(once(cli, rules(cli, tmp_path), "--broadcast", "--json"))

    assert ["partial"] == [acted["outcome"] for acted in report["acted"]]
    assert ("critical", "action-partial") in [(alert["severity"], alert["kind"]) for alert in report["alerts"]]
    assert 0 == cli.world.balance("USDC", payer)
    assert health(cli) > 1.82


def test_an_empty_reserve_calls_and_sends_nothing(cli: Cli, path: Path, tmp_path: Path) -> None:
    """What cannot be done is said with the reason of every way, and the guard goes on."""
    cli.world.set_price("WETH", FALLEN)
    report = tick(once(cli, rules(cli, tmp_path), "--broadcast", "--json"))

    assert ["refused"] == [acted["outcome"] for acted in report["acted"]]
    assert "holds too little of USDC" in report["acted"][0]["text"]
    assert [] == runs(path)


def test_the_owners_key_sells_within_the_tier(cli: Cli, path: Path, tmp_path: Path) -> None:
    """With the owner's key collateral is sold down to the goal; above the allowed equity only when named."""
    cli.world.set_price("WETH", FALLEN)
    sell = {
        "authority": '"owner"',
        "payer": None,
        "tiers": '{ normal = { slippage = "2%" }, urgent = { slippage = "2%" } }',
    }
    refused = tick(once(cli, rules(cli, tmp_path, who=WHO, **sell), "--broadcast", "--json"))
    assert ["refused"] == [acted["outcome"] for acted in refused["acted"]]
    assert "more equity than an unattended owner's key may hold" in refused["acted"][0]["text"]

    allowed = rules(cli, tmp_path, who=WHO, allow_hot_equity="true", **sell)
    report = tick(once(cli, allowed, "--broadcast", "--json"))
    assert ["done"] == [acted["outcome"] for acted in report["acted"]], report["acted"]
    assert "sale" in report["acted"][0]["way"]
    assert 2.0 <= health(cli) < 2.01


def test_one_node_is_not_enough_unless_the_rules_say_so(cli: Cli, path: Path, tmp_path: Path) -> None:
    """A guard that may sign refuses to start on the word of one node."""
    assert_refused(
        once(cli, rules(cli, tmp_path, guard={}), "--broadcast"), code=7, said="one node's word is all there is"
    )


def test_a_pool_that_is_not_the_pinned_one_is_refused(cli: Cli, path: Path, tmp_path: Path) -> None:
    """What the address book resolves to must be what the rules pin."""
    said = "the market's pool is not the one that the rules pin"
    assert_refused(cli("guard", "check", rules(cli, tmp_path, pool=f'"{cli.world.pool("spark")}"')), code=2, said=said)
    assert 0 == cli("guard", "check", rules(cli, tmp_path, pool=f'"{cli.world.pool("main")}"')).code


@pytest.mark.parametrize("protocol", ["morpho-blue", "compound-v3"])
def test_a_reserve_where_nobody_repays_for_another_is_refused(
    cli: Cli, path: Path, tmp_path: Path, protocol: str
) -> None:
    """The authority and the lender are named, before anything is read of the account."""
    said = f"a reserve is not for {protocol}"
    assert_refused(cli("guard", "check", rules(cli, tmp_path, protocol=f'"{protocol}"')), code=2, said=said)


def test_what_is_paused_begins_nothing_and_goes_on_after(cli: Cli, path: Path, tmp_path: Path) -> None:
    """`pause` and the halt file hold new actions within one tick, alerts go on, and `resume` lets it act."""
    give(cli.world, "USDC", cli.world.account(PAYER), 50_000 * 10**6)
    cli.world.set_price("WETH", FALLEN)
    halt = tmp_path / "halt"
    file = rules(cli, tmp_path, guard={"single_endpoint": "true", "halt_file": f'"{halt}"'})
    assert 0 == cli("guard", "pause", "--why", "an upgrade").code
    paused = tick(once(cli, file, "--broadcast", "--json"))
    assert "paused" in cli("guard", "status", "--rules", file).out
    assert 0 == cli("guard", "resume").code
    halt.touch()
    halted = tick(once(cli, file, "--broadcast", "--json"))
    halt.unlink()
    free = tick(once(cli, file, "--broadcast", "--json"))

    assert ["held", "held", "act"] == [report["decisions"][0]["verdict"] for report in (paused, halted, free)]
    assert "an upgrade" in paused["decisions"][0]["reason"]
    assert_refused(cli("guard", "resume"), code=2, said="nothing holds the guard")
    assert 2.0 <= health(cli) < 2.01


def test_a_changed_parameter_is_told_with_both_values(cli: Cli, path: Path, tmp_path: Path) -> None:
    """A threshold that governance lowers is told by name, from what to what, and health is the new one."""
    file = rules(cli, tmp_path, triggers=TRIGGER + '\n[[account.trigger]]\nkind = "parameter-change"')
    before = tick(once(cli, file, "--json"))
    lower_threshold(cli.world)
    after = tick(once(cli, file, "--json"))

    assert [] == [alert for alert in before["alerts"] if alert["kind"] == "parameter-changed"]
    told = [alert["text"] for alert in after["alerts"] if alert["kind"] == "parameter-changed"]
    assert ["WETH liquidation threshold changed from 8300 to 8200"] == told
    assert int(before["decisions"][0]["health_factor"]) > int(after["decisions"][0]["health_factor"])


def test_parameters_of_many_accounts_are_read_together(cli: Cli, path: Path, tmp_path: Path) -> None:
    """Three accounts of a market, each watched for what governance may change, take no more requests than one."""
    text = (
        '[[account]]\nname = "{name}"\nowner = "{owner}"\nprotocol = "aave-v3"\nchain = "local"\n'
        '[[account.trigger]]\nkind = "parameter-change"\n'
    )

    def asked(*names: str) -> int:
        file = tmp_path / "guard.toml"
        file.write_text("".join(text.format(name=name, owner=cli.world.account(name)) for name in names))
        report = tick(once(cli, file, "--json"))
        assert len(names) == len(report["decisions"])
        return int(report["rpc_calls"])

    asked("loop")
    assert asked("loop") == asked("loop", "mixed", "short")


def test_a_price_that_comes_to_be_capped_is_told(cli: Cli, path: Path, tmp_path: Path) -> None:
    """A staked asset whose cap is set below its rate is priced lower, as liquidators see it, and people hear why."""
    triggers = TRIGGER + '\n[[account.trigger]]\nkind = "parameter-change"'
    owner = cli.world.account("loop")
    file = rules(cli, tmp_path, owner=f'"{owner}"', authority='"alert-only"', payer=None, keystore=None,
                 password_file=None, goal=None, triggers=triggers)  # fmt: skip
    before = tick(once(cli, file, "--json"))
    cap_rate(cli.world, "wstETH", 1.2)
    after = tick(once(cli, file, "--json"))

    told = [alert["text"] for alert in after["alerts"] if alert["kind"] == "parameter-changed"]
    assert ["wstETH price capped changed from no to yes"] == told
    assert int(before["decisions"][0]["health_factor"]) > int(after["decisions"][0]["health_factor"])


@pytest.mark.parametrize(("reverted", "verdict"), [(2, "act"), (3, "held")])
def test_the_third_revert_in_ten_minutes_halts_the_account(
    cli: Cli, path: Path, tmp_path: Path, reverted: int, verdict: str
) -> None:
    """Two are bad luck; after three nothing is begun until a person says so, and people are called."""
    give(cli.world, "USDC", cli.world.account(PAYER), 50_000 * 10**6)
    cli.world.set_price("WETH", FALLEN)
    revert(cli, path, reverted)
    cli.world.advance(10)
    urgent = rules(cli, tmp_path, cool_down='"1s"', triggers=f'[account.tiers.urgent]\nbelow = "1.85"\n{TRIGGER}')
    report = tick(once(cli, urgent, "--broadcast", "--json"))

    assert verdict == report["decisions"][-1]["verdict"]
    halted = [alert["kind"] for alert in report["alerts"] if alert["kind"] == "account-halted"]
    assert (["account-halted"] if verdict == "held" else []) == halted
    assert (verdict == "held") == ("halted" in cli("guard", "status", "--rules", tmp_path / "guard.toml").out)


def test_a_killed_action_is_finished_by_the_next_tick(cli: Cli, path: Path, tmp_path: Path) -> None:
    """Killed with a transaction in the pool, the next tick brings it in and repays: once, to the goal."""
    payer = cli.world.account(PAYER)
    give(cli.world, "USDC", payer, 50_000 * 10**6)
    cli.world.set_price("WETH", FALLEN)
    file, nonce = rules(cli, tmp_path), cli.world.node.nonce(payer)
    cli.world.rpc("evm_setAutomine", False)
    with guard_process(cli, file, "--every", "2s") as child:
        wait_until(lambda: path.exists() and bool(in_flight(path)))
        child.kill()
        child.wait()
    cli.world.rpc("evm_setAutomine", True)
    cli.world.rpc("evm_mine")
    time.sleep(3.5)  # until the killed guard's lease has expired
    report = tick(once(cli, file, "--broadcast", "--json"))

    assert report["is_leader"]
    assert ["done"] == [acted["outcome"] for acted in report["acted"]], report
    assert 2.0 <= health(cli) < 2.01
    spent = cli.world.node.nonce(payer) - nonce
    assert spent in (3, 4)
    assert 0 == allowance(cli.world, payer)
    assert 0 == cli("journal", "verify").code


def test_of_two_guards_one_acts_and_the_other_takes_over(cli: Cli, path: Path, tmp_path: Path) -> None:
    """Two processes with one journal: one repays once; when it is killed the standby leads within two ticks."""
    one_acts_and_the_other_takes_over(cli, tmp_path)

    assert ["guard"] == [run["kind"] for run in runs(path)]


def test_two_guards_with_a_journal_in_postgres(cli: Cli, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The same with a real PostgreSQL, as on several hosts: the time and the fence are the server's."""
    if postgres.binaries() is None:
        pytest.skip(postgres.MISSING)
    with postgres.started() as server:
        monkeypatch.setenv("DEFILEV_JOURNAL", server.database("journal"))
        one_acts_and_the_other_takes_over(cli, tmp_path)
        told = cli("journal", "ls", "--json").document["runs"]

    assert ["guard"] == [run["kind"] for run in told]


def one_acts_and_the_other_takes_over(cli: Cli, tmp_path: Path) -> None:
    """Start two guards, let the price fall, kill the one that acted, and wait for the other to lead."""
    payer = cli.world.account(PAYER)
    give(cli.world, "USDC", payer, 50_000 * 10**6)
    file = rules(cli, tmp_path)
    with guard_process(cli, file, "--every", "2s") as first:
        wait_until(lambda: bool(lines(first)) and lines(first)[-1]["is_leader"])
        with guard_process(cli, file, "--every", "2s") as second:
            wait_until(lambda: bool(lines(second)))
            assert not lines(second)[0]["is_leader"]
            cli.world.set_price("WETH", FALLEN)
            wait_until(lambda: is_brought_to(2.0, cli))
            assert 2.01 > health(cli)
            first.send_signal(signal.SIGKILL)
            first.wait()
            seen = len(lines(second))
            wait_until(lambda: any(line["is_leader"] for line in lines(second)[seen:]))
            standby = [line for line in lines(second)[seen:] if not line["is_leader"]]

    assert len(standby) <= 2
    assert 0 == cli("journal", "verify").code


@contextmanager
def guard_process(cli: Cli, file: Path, *more: str) -> Iterator[subprocess.Popen[bytes]]:
    """Run a guard that may sign in a process of its own; its lines go to a file beside the rules."""
    words = cli.words("guard", "run", "--rules", file, "--broadcast", "--json", *more)
    out = file.with_name(f"lines-{time.monotonic_ns()}")
    with out.open("wb") as sink:
        child = subprocess.Popen([sys.executable, "-m", "defilev", *words], stdout=sink, stderr=subprocess.DEVNULL)
        child.out = out  # type: ignore[attr-defined]
        try:
            yield child
        finally:
            child.kill()
            child.wait()


def lines(child: subprocess.Popen[bytes]) -> list[dict[str, Any]]:
    """Return the whole lines that a guard has printed."""
    text = child.out.read_text()  # type: ignore[attr-defined]
    return [json.loads(line) for line in text.splitlines(keepends=True) if line.endswith("\n")]


def allowance(world: World, payer: Address) -> int:
    """Return what the pool may take of the payer's USDC."""
    data = keccak(b"allowance(address,address)")[:4] + encode(["address", "address"], [payer, world.pool("main")])
    return int(world.rpc("eth_call", {"to": world.token("USDC"), "data": "0x" + data.hex()}, "latest"), 16)


def revert(cli: Cli, path: Path, times: int) -> None:
    """Put runs of the guard into the journal whose transaction was included and reverted, as of the newest block."""
    owner = cli.world.account(WHO)
    with closing(connect(Settings(rpc_url=(cli.world.rpc_url,), address_book=(cli.world.address_book,)))) as session:
        chain = chain_identity(session)
    (account,) = cli.world.read("main", [owner])
    with open_journal(place_of(path)) as journal:
        for nonce in range(times):
            run = begun(journal, kind="guard", account=owner, chain=chain)
            journal.observe(run, account, role="before")
            intent = journal.reserve(a_reservation(run, chain=chain, account=cli.world.account("mixed"), nonce=nonce))
            attempt = an_attempt(nonce)
            journal.sign(intent, attempt)
            journal.handed_over(attempt.hash, "OK", endpoint="node")
            journal.included(attempt.hash, a_receipt(succeeded=False))
            journal.move(intent, "REVERTED_FINAL", why="deep enough")
            journal.finish(run, an_outcome(got_debt=account.debt_value))


def cap_rate(world: World, symbol: str, cap: float) -> None:
    """Let the owner of a rate adapter set what its rate may be at the most."""
    owner = next(person["address"] for person in world.description["operators"] if person["name"] == "owner")
    data = keccak(b"setMaxRatio(int256)")[:4] + encode(["int256"], [int(cap * 10**18)])
    assert world.send(owner, Address(world.description["feeds"][symbol]["address"]), data)["status"] == "0x1"


def lower_threshold(world: World) -> None:
    """Lower the threshold of WETH by one point, as governance would."""
    operator = Address(world.description["operators"][0]["address"])
    provider = Address(world.description["markets"]["main"]["addresses_provider"])
    found = world.rpc("eth_call", {"to": provider, "data": "0x" + keccak(b"getPoolConfigurator()")[:4].hex()}, "latest")
    configurator = Address("0x" + found[-40:])
    types = ["address", "uint256", "uint256", "uint256"]
    signature = b"configureReserveAsCollateral(address,uint256,uint256,uint256)"
    data = keccak(signature)[:4] + encode(types, [world.token("WETH"), 8050, 8200, 10500])
    assert world.send(operator, configurator, data)["status"] == "0x1"


def test_a_safe_is_written_a_bundle_that_does_what_it_says(cli: Cli, path: Path, tmp_path: Path) -> None:
    """With the authority safe nothing is signed; its bundle, once owners sign and execute it, keeps its promise."""
    treasury = open_treasury(cli.world)
    cli.world.set_price("WETH", FALLEN)
    folder, file = tmp_path / "bundles", safe_rules(cli, tmp_path, treasury.address)
    dry = tick(once(cli, file, "--json"))
    report = tick(once(cli, file, "--broadcast", "--json"))

    assert ["dry-run"] == [acted["outcome"] for acted in dry["acted"]], dry["acted"]
    assert ["bundled"] == [acted["outcome"] for acted in report["acted"]], report["acted"]
    (alert,) = [alert for alert in report["alerts"] if alert["kind"] == "action-bundled"]
    assert ("critical", 0) == (alert["severity"], treasury.call("nonce"))
    (written,) = folder.iterdir()
    transaction_hash = json.loads(written.read_text())["defilev"]["parts"][0]["transaction_hash"]
    assert str(written) in alert["text"]
    assert transaction_hash in alert["text"]
    assert 0 == cli("safe", "verify", transaction_hash, "--in", folder).code
    signed = cli("safe", "sign", written, *credentials(cli.world, "loop"), "-o", tmp_path / "loop.sig")
    sent = cli(
        "safe",
        "execute",
        written,
        "--signature",
        tmp_path / "loop.sig",
        *credentials(cli.world, "mixed"),
        "--broadcast",
    )
    assert (0, 0) == (signed.code, sent.code), signed.err + sent.err
    assert 1 == treasury.call("nonce")
    assert 2 * 10**18 <= (cli.world.read("main", [treasury.address])[0].health_factor or 0)


def test_what_is_not_a_safe_is_written_nothing(cli: Cli, path: Path, tmp_path: Path) -> None:
    """With the authority safe an owner that is no Safe is refused, in a dry run as well, and no file is left."""
    deploy_safes(cli.world)
    cli.world.set_price("WETH", FALLEN)
    file = safe_rules(cli, tmp_path, cli.world.account(WHO))
    for more in ((), ("--broadcast",)):
        (acted,) = tick(once(cli, file, "--json", *more))["acted"]
        assert ("refused", True) == (acted["outcome"], "no contract at" in acted["text"])
    assert not (tmp_path / "bundles").exists()


def safe_rules(cli: Cli, folder: Path, owner: Address) -> Path:
    """Write the rules of an account for whose owners bundles are written."""
    keyless: dict[str, Any] = {
        "owner": f'"{owner}"',
        "payer": None,
        "keystore": None,
        "password_file": None,
        "authority": '"safe"',
        "tiers": '{ normal = { slippage = "2%" }, urgent = { slippage = "2%" } }',
        "bundles": f'"{folder / "bundles"}"',
    }
    return rules(cli, folder, **keyless)


@pytest.mark.parametrize("schedule", [("--on-block",), ("--cron", "* * * * *")])
def test_a_schedule_brings_the_next_look(cli: Cli, path: Path, tmp_path: Path, schedule: tuple[str, ...]) -> None:
    """On every block, or at the times of a cron expression by the chain's clock, each look is of a newer block."""
    words = cli.words("guard", "run", "--rules", rules(cli, tmp_path, authority='"alert-only"', **NOBODY), "--json")
    with (tmp_path / "lines").open("wb") as sink:
        child = subprocess.Popen([sys.executable, "-m", "defilev", *words, *schedule], stdout=sink)
    child.out = tmp_path / "lines"  # type: ignore[attr-defined]
    try:
        wait_until(lambda: bool(lines(child)))
        first = lines(child)[0]
        due = int(first["next_at"]) - int(first["block"]["timestamp"])
        cli.world.rpc("evm_mine")
        if schedule == ("--on-block",):
            wait_until(lambda: len(lines(child)) > 1)
            assert int(lines(child)[1]["block"]["number"]) == int(first["block"]["number"]) + 1
        else:
            assert 0 < due <= 60
            assert 0 == int(first["next_at"]) % 60
    finally:
        child.kill()
        child.wait()


NOBODY: dict[str, Any] = {"payer": None, "keystore": None, "password_file": None, "goal": None}
