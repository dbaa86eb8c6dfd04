"""A whole deleverage signed by a process of its own, and one signed by an independent tool."""

from __future__ import annotations

import json
import subprocess
import time
import tomllib
from collections.abc import Iterator
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
from eth_account import Account

from tests.support.cli import Cli, assert_refused
from tests.support.signing import PolicyToken, SignerProcess, policy_text, signer_folder, start_signer
from tests.support.world import ROOT, World

pytestmark = pytest.mark.world

WHO = "mixed"
TOKENS = ROOT / "scripts" / "world.d" / "data" / "tokens.toml"


@pytest.fixture
def cli(world: World, capsys: pytest.CaptureFixture[str]) -> Cli:
    """`defilev` on the local chain."""
    return Cli.on(world, capsys)


def _policy(world: World, **changes: Any) -> str:
    """A policy for WHO on the main market, at the world's own prices."""
    entries = tomllib.loads(TOKENS.read_text())["token"]
    tokens = [
        PolicyToken(entry["symbol"], world.token(entry["symbol"]), entry["decimals"], entry["price"])
        for entry in entries
    ]
    usual: dict[str, Any] = {
        "chain_id": world.chain_id, "owner": world.account(WHO), "pool": world.pool("main"),
        "router": world.description["uniswap_v3"]["swap_router_02"], "tokens": tokens,
    }  # fmt: skip
    return policy_text(**(usual | changes))


def _serve(world: World, folder: Path, policy: str, *, who: str = WHO) -> SignerProcess:
    keystore, password_file = world.credentials(who)
    key = bytes(Account.decrypt(json.loads(keystore.read_text()), password_file.read_text().strip()))
    return start_signer(signer_folder(folder, key=key, policy=policy))


@pytest.fixture
def signer(world: World, tmp_path: Path) -> Iterator[SignerProcess]:
    """A signer for WHO."""
    running = _serve(world, tmp_path / "signer", _policy(world))
    yield running
    running.stop()


@pytest.mark.parametrize("goal", [("--to-health-factor", "2"), ("--close",)])
def test_a_plan_is_signed_by_a_process_of_its_own(cli: Cli, signer: SignerProcess, goal: tuple[str, ...]) -> None:
    """`rebalance --signer` needs no keystore and no password; every signature is told in the signer's words."""
    printed = cli.rebalance(WHO, *goal, "--signer", signer.socket, "--broadcast", "--json")

    assert 0 == printed.code, printed.err
    steps = printed.document["execution"]["steps"]
    assert {"included"} == {step["status"] for step in steps}
    assert len(steps) == printed.err.count("signer: signing hash 0x")
    assert len(steps) == signer.log.read_text().count(" signed nonce ")


@pytest.mark.parametrize("goal", [("--to-health-factor", "2.5"), ("--close",)])
def test_a_plan_in_an_isolated_market_is_signed_by_a_process_of_its_own(
    cli: Cli, world: World, tmp_path: Path, goal: tuple[str, ...]
) -> None:
    """Morpho Blue's calls, a repayment by shares among them, pass a policy that lists the market, and the chain."""
    who, name = "morpho-comfortable", "wstETH/USDC"
    listed = {"owner": world.account(who), "morpho": world.pool(name), "markets": [world.market(name).market]}
    policy = _policy(world, **listed, limits={"value_per_transaction": "300000"})
    running = _serve(world, tmp_path / "signer", policy, who=who)

    printed = cli.rebalance(who, *world.flags(name), *goal, "--signer", running.socket, "--broadcast", "--json")
    running.stop()

    assert 0 == printed.code, printed.err
    steps = printed.document["execution"]["steps"]
    assert {"included"} == {step["status"] for step in steps}
    assert len(steps) == running.log.read_text().count(" signed nonce ")
    assert ("shares are of USDC" in printed.err) == ("--close" in goal)


def test_an_isolated_market_that_a_signer_does_not_list_is_refused(cli: Cli, world: World, tmp_path: Path) -> None:
    """Its policy has other markets of the same contract: nothing is signed, and both are named, exit code 7."""
    who, name, other = "morpho-comfortable", "wstETH/USDC", world.market("wstETH/WETH").market
    listed = {"owner": world.account(who), "morpho": world.pool(name), "markets": [other]}
    running = _serve(world, tmp_path / "signer", _policy(world, **listed), who=who)

    printed = cli.rebalance(
        who, *world.flags(name), "--to-health-factor", "2.5", "--signer", running.socket, "--broadcast"
    )
    running.stop()

    assert_refused(printed, code=7, said="the signer refuses it: ")
    assert world.market(name).market in printed.err
    assert 0 == running.log.read_text().count(" signed nonce ")


def test_the_next_transaction_is_signed_by_a_process_of_its_own(cli: Cli, signer: SignerProcess) -> None:
    """`--sign-only` works the same way and sends nothing."""
    printed = cli.rebalance(WHO, "--to-health-factor", "2", "--signer", signer.socket, "--sign-only", "--json")

    assert 0 == printed.code, printed.err
    assert f"signer: chain {cli.world.chain_id} (test) · from {cli.world.account(WHO)} · nonce " in printed.err
    assert cli.world.rpc("eth_sendRawTransaction", printed.document["signed"]["raw"])


def test_a_signer_that_refuses_stops_the_run(cli: Cli, world: World, tmp_path: Path) -> None:
    """Where the signer's policy is narrower than this machine's, nothing is sent, exit code 7."""
    limits = {"value_per_transaction": "10", "value_per_day": "10"}
    running = _serve(world, tmp_path / "narrow", _policy(world, limits=limits))

    printed = cli.rebalance(WHO, "--to-health-factor", "2", "--signer", running.socket, "--broadcast")
    running.stop()

    assert_refused(printed, code=7, said="the signer refuses it: ")
    assert 0 == running.log.read_text().count(" signed nonce ")


def test_only_one_thing_signs(cli: Cli, tmp_path: Path) -> None:
    """A signer beside a keystore is a contradiction, and a signer that is not there is one sentence."""
    words = (WHO, "--to-health-factor", "2", "--sign-only")

    both = cli.rebalance(*words, "--signer", tmp_path / "x", "--account", "main")
    none = cli.rebalance(*words, "--signer", tmp_path / "x")

    assert_refused(both, code=2, said="--account and --signer contradict each other")
    assert_refused(none, code=8, said="cannot be used")


def test_an_unsigned_plan_is_signed_by_cast(cli: Cli, world: World, tmp_path: Path) -> None:
    """What `--unsigned` writes, cast signs from a keystore, byte for byte, and the chain takes it."""
    file = tmp_path / "unsigned.json"
    made = cli.rebalance(WHO, "--to-health-factor", "2", "--unsigned", file)
    assert 0 == made.code, made.err
    document = json.loads(file.read_text())

    for entry in document["transactions"]:
        raw = _signed_by_cast(world, document, entry)
        assert world.account(WHO) == Account.recover_transaction(raw)
        assert entry["signing_payload"] == _payload(raw)
        _send(world, raw)

    health = cli("health", WHO, "-p", "aave-v3", "--market", "main", "--json").document["accounts"][0]
    assert Decimal(health["health_factor"]["decimal"]) >= Decimal(2)


def _signed_by_cast(world: World, document: dict[str, Any], entry: dict[str, Any]) -> str:
    """Sign one entry as docs/security.md says."""
    keystore, password_file = world.credentials(WHO)
    found = subprocess.run([ROOT / "scripts" / "world", "cast"], check=True, capture_output=True, text=True)
    fields = {
        "--value": entry["value"], "--chain": str(document["chain_id"]), "--nonce": str(entry["nonce"]),
        "--gas-limit": entry["gas_limit"], "--gas-price": entry["max_fee_per_gas"],
        "--priority-gas-price": entry["max_priority_fee_per_gas"], "--keystore": str(keystore),
        "--password-file": str(password_file), "--rpc-url": world.rpc_url,
    }  # fmt: skip
    words = [word for pair in fields.items() for word in pair]
    command = [found.stdout.strip(), "mktx", entry["to"], entry["data"], *words]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert 0 == done.returncode, done.stderr
    return done.stdout.strip()


def _payload(raw: str) -> str:
    """The unsigned bytes inside a signed transaction, taken apart by a library that neither side uses."""
    import rlp  # type: ignore[import-untyped]

    items = rlp.decode(bytes.fromhex(raw[4:]))
    return "0x02" + rlp.encode(items[:9]).hex()


def _send(world: World, raw: str) -> None:
    sent = world.rpc("eth_sendRawTransaction", raw)
    receipt = None
    while receipt is None:
        time.sleep(0.01)
        receipt = world.rpc("eth_getTransactionReceipt", sent)
    assert "0x1" == receipt["status"]
