from __future__ import annotations

import os
import shutil
import subprocess
import sys
from collections.abc import Iterator
from decimal import Decimal
from pathlib import Path

import pytest

from defilev.abi import interface, keccak
from defilev.abi.address import address_from_word
from defilev.config.settings import Settings
from defilev.errors import Infeasible
from defilev.model.account import LendingAccount
from defilev.model.plan import Goal
from defilev.model.request import Address
from defilev.pipeline.look import read_accounts
from defilev.pipeline.planning import PlanQuestion, make_plan
from defilev.pipeline.session import Session, connect
from defilev.pipeline.trying import try_plan
from defilev.units import WAD
from tests.support.world import own_world

pytestmark = pytest.mark.world

BORROW = "0x" + keccak(b"Borrow(address,address,address,uint256,uint8,uint256,uint16)").hex()
LATELY = 400
KNOWN = pytest.StashKey[list[Address]]()
SOME = 25


@pytest.fixture(
    scope="module", params=["fork of the local chain", pytest.param("DEFILEV_RPC_URL", marks=pytest.mark.mainnet)]
)
def session(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Session]:
    """Connect to a chain that a shipped address book is for: the user's, or an anvil that forks the local one."""
    if request.param == "DEFILEV_RPC_URL":
        url = os.environ.get("DEFILEV_RPC_URL")
        if not url:
            pytest.skip("DEFILEV_RPC_URL is not set: set it to a node of Ethereum, Arbitrum, Base or Optimism")
        yield from connected(url)
        return
    folder = tmp_path_factory.mktemp("mainnet")
    with own_world(folder, chain_id=1) as served:
        for owner in served.accounts().values():
            request.node.stash.setdefault(KNOWN, []).append(owner)
        with forking(served.rpc_url, folder) as url:
            yield from connected(url)


def connected(url: str) -> Iterator[Session]:
    found = connect(Settings(rpc_url=(url,), timeout=60))
    yield found
    found.close()


class forking:  # noqa: N801 - used as a statement
    """An anvil started with --fork-url, as a user starts one."""

    def __init__(self, url: str, home: Path) -> None:
        anvil = shutil.which("anvil", path=str(Path(sys.executable).parent)) or "anvil"
        command = [anvil, "--fork-url", url, "--port", "0", "--host", "127.0.0.1", "--accounts", "0"]
        environment = {**os.environ, "HOME": str(home)}
        self.process = subprocess.Popen(command, stdout=subprocess.PIPE, text=True, env=environment)

    def __enter__(self) -> str:
        assert self.process.stdout is not None
        for line in self.process.stdout:
            if line.startswith("Listening on "):
                return f"http://{line.split()[-1]}"
        raise AssertionError("anvil did not start")

    def __exit__(self, *_: object) -> None:
        self.process.terminate()
        self.process.wait()
        assert self.process.stdout is not None
        self.process.stdout.close()


@pytest.fixture(scope="module")
def borrowers(session: Session, request: pytest.FixtureRequest) -> list[Address]:
    """Return accounts that borrowed lately on the main market, found in its logs; the local chain keeps none."""
    known = request.node.stash.get(KNOWN, [])
    if session.is_anvil and known:
        return known
    pool = session_pool(session)
    first = max(session.block.number - LATELY, 0)
    query = {"address": pool, "topics": [BORROW], "fromBlock": hex(first), "toBlock": hex(session.block.number)}
    logs = session.node.rpc.request("eth_getLogs", [query])
    found = dict.fromkeys(address_from_word(int(log["topics"][2], 16)) for log in logs)
    return list(found)[-SOME:]


def session_pool(session: Session) -> Address:
    entry = next(market for market in session.book.markets if (market.protocol, market.market) == ("aave-v3", "main"))
    functions = interface("aave_v3_addresses_provider")
    (result,) = session.fetch([functions["getPool"].call(entry.entry_points["pool_addresses_provider"])])
    pool: Address = functions["getPool"].decode_one(result.data)
    return pool


def accounts(session: Session, borrowers: list[Address]) -> list[LendingAccount]:
    return read_accounts(session, borrowers, protocols=["aave-v3"], market="main")


def test_the_shipped_address_book_is_of_the_chain(session: Session) -> None:
    """Quoter and router of the shipped book name the factory that the book names, and the pool has code."""
    venue = session.book.uniswap_v3
    assert venue is not None
    calls = [
        interface("uniswap_v3_quoter_v2")["factory"].call(venue.quoter_v2),
        interface("uniswap_v3_swap_router_02")["factory"].call(venue.swap_router_02),
    ]
    answers = [interface("uniswap_v3_quoter_v2")["factory"].decode_one(result.data) for result in session.fetch(calls)]

    assert answers == [venue.factory, venue.factory]
    assert session.node.code(session_pool(session), block=session.block)


def test_accounts_that_borrowed_lately_are_read_to_the_wei(session: Session, borrowers: list[Address]) -> None:
    """Every borrower that was found is read, and every figure equals the contract's."""
    found = accounts(session, borrowers)

    assert found
    assert {account.self_check.result for account in found} == {"exact"}


def test_a_deleverage_of_a_found_account_keeps_its_promise_on_a_fork(
    session: Session, borrowers: list[Address]
) -> None:
    """For the first borrower that a plan can be offered to, the plan succeeds on a fork and lands on its promise."""
    for account in accounts(session, borrowers):
        if account.health_factor is None or not WAD * 105 // 100 < account.health_factor < 3 * WAD:
            continue
        target = (Decimal(account.health_factor) / WAD * Decimal("1.05")).quantize(Decimal("1e-6"))
        try:
            plan = make_plan(
                session, account, PlanQuestion(Goal("health-factor", target), Decimal("0.01"), Decimal("1.02"), 600)
            )
        except Infeasible:
            continue
        report = try_plan(session, plan, engine="anvil")

        assert report.succeeded
        assert report.health_factor is not None
        assert report.health_factor >= int(target * WAD)
        return
    pytest.fail("no plan could be offered to any of the borrowers that were found")
