"""`rebalance --resume`: a run whose process was killed between two transactions is brought to its end."""

from __future__ import annotations

import sqlite3
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest

from defilev.config.loading import load_settings
from defilev.execute.password import read_password_file
from defilev.execute.sending import Sending
from defilev.execute.signer import KeystoreSigner
from defilev.execute.transaction import TransactionFields
from defilev.journal import JournalReader, open_for_reading, place_of
from defilev.model.request import Address, Call
from defilev.pipeline.acting import try_again
from defilev.pipeline.journalled import ready_to_act
from defilev.pipeline.look import read_account
from defilev.pipeline.planning import make_plan
from defilev.pipeline.session import Session, connect
from tests.support.cli import Cli, assert_refused, credentials, untouched
from tests.support.killed import GOAL, WHO, killed_in_flight, wait_until
from tests.support.world import World

pytestmark = pytest.mark.world

RESUME = (WHO, "--resume")


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


def opened(path: Path) -> JournalReader:
    """Read the journal as it is now."""
    found = open_for_reading(place_of(path))
    assert found is not None
    return found


def kinds(path: Path, run: int) -> list[str]:
    """Return what the steps of a run's plan do."""
    with opened(path) as journal:
        return [step["kind"] for step in journal.run(run)["step"]]


def health(cli: Cli) -> float:
    """Return the account's health factor."""
    (account,) = cli.world.read("main", [cli.world.account(WHO)])
    assert account.health_factor is not None
    return account.health_factor / 10**18


def test_the_rest_of_a_killed_run_sells_what_it_had_withdrawn(cli: Cli, path: Path) -> None:
    """After step 1 of 5 the rest is planned anew: the WETH in the wallet is sold, and nothing more is withdrawn."""
    held = cli.world.balance("WETH", cli.world.account(WHO))
    with killed_in_flight(cli, path) as transaction:
        pass
    wait_until(lambda: cli.world.rpc("eth_getTransactionReceipt", transaction) is not None)
    with untouched(cli.world):
        cold = cli.rebalance(*RESUME)
    warm = cli.rebalance(*RESUME, "--broadcast", *credentials(cli.world, WHO))

    assert_refused(cold, code=7, said="journal #1 sent a transaction that it did not see included")
    assert 0 == warm.code, warm.err
    assert "1 of 5 steps of journal #1 are on the chain; the rest is planned anew from here" in warm.err
    assert ["approve", "swap", "approve", "repay"] == kinds(path, 2)
    assert 2.2 <= health(cli) < 2.21
    assert held == cli.world.balance("WETH", cli.world.account(WHO))
    with opened(path) as journal:
        assert ["DONE", "STOPPED"] == [run["stage"] for run in journal.runs()]
    again = cli.rebalance(*RESUME)
    assert_refused(again, code=7, said="no run of this position stopped halfway")


def test_a_killed_run_in_an_isolated_market_is_brought_to_its_end(cli: Cli, path: Path) -> None:
    """The collateral that Morpho Blue had paid out is sold by the rest, and shares of the debt are repaid with it."""
    who, name = "morpho-comfortable", "wstETH/USDC"
    flags = cli.world.flags(name)
    held = cli.world.balance("wstETH", cli.world.account(who))
    with killed_in_flight(cli, path, goal=(who, "--to-health-factor", "2.5", *flags)) as transaction:
        pass
    wait_until(lambda: cli.world.rpc("eth_getTransactionReceipt", transaction) is not None)
    warm = cli.rebalance(who, "--resume", *flags, "--broadcast", *credentials(cli.world, who))

    assert 0 == warm.code, warm.err
    assert "1 of 5 steps of journal #1 are on the chain; the rest is planned anew from here" in warm.err
    assert ["approve", "swap", "approve", "repay", "approve"] == kinds(path, 2)
    (account,) = cli.world.read(name, [cli.world.account(who)])
    assert account.health_factor is not None
    assert 2.5 <= account.health_factor / 10**18 < 2.51
    assert held == cli.world.balance("wstETH", cli.world.account(who))
    with opened(path) as journal:
        assert ["DONE", "STOPPED"] == [run["stage"] for run in journal.runs()]


def test_stored_bytes_are_sent_again_before_anything_is_planned(cli: Cli, path: Path) -> None:
    """A transaction that the node has lost is handed over again, to the same nonce, and the rest follows."""
    nonce = cli.world.node.nonce(cli.world.account(WHO))
    with killed_in_flight(cli, path) as transaction:
        cli.world.rpc("anvil_dropTransaction", transaction)
    warm = cli.rebalance(*RESUME, "--broadcast", *credentials(cli.world, WHO))

    assert 0 == warm.code, warm.err
    assert "resent: no node shows it: handed over again" in warm.err
    assert cli.world.rpc("eth_getTransactionReceipt", transaction)["status"] == "0x1"
    assert nonce + 5 == cli.world.node.nonce(cli.world.account(WHO))
    assert 2.2 <= health(cli) < 2.21


def test_what_is_no_longer_wanted_is_cancelled_before_anything_is_planned(cli: Cli, path: Path) -> None:
    """When the promise of the killed run cannot be kept any more its nonce is taken for nothing, and planned anew."""
    held = cli.world.balance("WETH", cli.world.account(WHO))
    with killed_in_flight(cli, path) as transaction:
        cli.world.rpc("anvil_dropTransaction", transaction)
    cli.world.set_price("WETH", 2_800 * 10**8)
    warm = cli.rebalance(*RESUME, "--broadcast", *credentials(cli.world, WHO), "--json")

    with opened(path) as journal:
        (first,) = journal.run(1)["intent"]
        purposes = sorted(attempt["purpose"] for attempt in journal.run(1)["attempt"])
    assert "CANCELLED" == first["state"], warm.err
    assert ["act", "cancel"] == purposes
    assert cli.world.rpc("eth_getTransactionReceipt", transaction) is None
    assert_refused(warm, code=7, said="no run of this position stopped halfway", is_json=True)
    assert held == cli.world.balance("WETH", cli.world.account(WHO))


class Ended(BaseException):
    """The process ends here."""


def test_a_run_that_had_only_its_last_word_left_is_closed(cli: Cli, path: Path) -> None:
    """When the goal is reached nothing more is signed: the run is closed, and the command ends well."""
    _all_but_the_last_word(cli.world)
    closed = cli.rebalance(*RESUME, "--broadcast", *credentials(cli.world, WHO))

    assert 0 == closed.code, closed.err
    assert "5 of 5 steps of journal #1 are on the chain, and its goal is reached: nothing is left to do" in closed.err
    with opened(path) as journal:
        assert ["DONE"] == [run["stage"] for run in journal.runs()]
        assert () == journal.verify()


def _all_but_the_last_word(world: World) -> None:
    """Carry out a whole plan, and end before the account is read."""

    def end(boundary: str) -> None:
        if boundary == "verified":
            raise Ended

    session, owner = _connected(world), world.account(WHO)
    signer = _keystore(world)
    plan = make_plan(session, read_account(session, owner, protocol="aave-v3", market="main"), _question(session))
    sending = Sending(pause=0.01, confirmations=0, at=end)
    with pytest.raises(Ended), ready_to_act(session, account=owner) as ready:
        ready.send(try_again(session, plan), plan, signer, tell=lambda step, event: None, sending=sending)
    session.close()


class Lost:
    """A signer whose signature is lost on its way, once it has given it."""

    def __init__(self, inner: KeystoreSigner) -> None:
        self.inner = inner
        self.given: list[bytes] = []

    @property
    def address(self) -> Address:
        return self.inner.address

    def announce(self, calls: Sequence[Call]) -> None:
        self.inner.announce(calls)

    def sign(self, fields: TransactionFields) -> bytes:
        self.given.append(self.inner.sign(fields))
        raise Ended


def test_a_signature_that_was_lost_is_given_again(cli: Cli, path: Path) -> None:
    """A signer remembers what it signed for a nonce: the same bytes are signed, sent, and the run is finished."""
    session, keystore = _connected(cli.world), _keystore(cli.world)
    signer = Lost(keystore)
    plan = make_plan(
        session, read_account(session, signer.address, protocol="aave-v3", market="main"), _question(session)
    )
    with pytest.raises(Ended), ready_to_act(session, account=signer.address) as ready:
        ready.send(try_again(session, plan), plan, signer, tell=lambda step, event: None)
    refused = cli.rebalance(*GOAL, "--broadcast", *credentials(cli.world, WHO))
    resumed = cli.rebalance(*RESUME, "--broadcast", *credentials(cli.world, WHO))
    session.close()

    assert_refused(refused, code=7, said="journal #1 ended while a transaction was signed for")
    assert 0 == resumed.code, resumed.err
    with opened(path) as journal:
        first = journal.run(1)["attempt"][0]
    assert ["0x" + raw.hex() for raw in signer.given] == [first["raw"]]


def _connected(world: World) -> Session:
    flags = {"rpc_url": world.rpc_url, "address_book": [str(world.address_book)]}
    return connect(load_settings(flags, config=None, profile=None).values)


def _keystore(world: World) -> KeystoreSigner:
    keystore, password_file = world.credentials(WHO)
    return KeystoreSigner.unlock(keystore, password=read_password_file(password_file), owner=world.account(WHO))


def _question(session: Any) -> Any:
    from defilev.cli.plan_question import plan_question

    nothing: dict[str, Any] = dict.fromkeys(("max_slippage", "floor", "expires", "to_leverage"))
    return plan_question(session.settings, to_health_factor="2.2", close=False, **nothing)


def test_a_journal_that_was_edited_is_not_taken_up(cli: Cli, path: Path) -> None:
    """A plan that somebody changed in the journal moves nothing: exit 4."""
    with killed_in_flight(cli, path):
        pass
    edited = sqlite3.connect(path)
    edited.execute("UPDATE plan SET document = replace(document, 'withdraw', 'borrow')")
    edited.commit()
    edited.close()

    printed = cli.rebalance(*RESUME, "--broadcast", *credentials(cli.world, WHO))

    assert_refused(printed, code=4, said="the journal is not what was written")


@pytest.mark.parametrize("more", [GOAL[1:], ("--close",), ("--plan", "plan.json"), ("--floor", "1.1")])
def test_resume_stands_alone(cli: Cli, path: Path, more: tuple[str, ...]) -> None:
    """The goal and the limits are those of the run that stopped: giving others is a contradiction, exit 2."""
    assert_refused(cli.rebalance(*RESUME, *more), code=2, said="contradict each other")
