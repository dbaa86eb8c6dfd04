"""Perp v2's plans signed by a process of its own, and those that its policy does not let pass."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from eth_account import Account

from tests.support.cli import Cli, assert_refused
from tests.support.curie import Curie
from tests.support.signing import PolicyToken, SignerProcess, policy_text, signer_folder, start_signer
from tests.support.world import World

pytestmark = pytest.mark.world

WHO = "perp-near"
PERP = ("-p", "perp-curie")
REDUCTION, CLOSING = ("--to-margin-ratio", "2"), ("--close", "--max-slippage", "1%")
NARROW = {"value_per_transaction": "100", "value_per_day": "100"}


@pytest.fixture
def cli(world: World, capsys: pytest.CaptureFixture[str]) -> Cli:
    """`defilev` on the local chain."""
    return Cli.on(world, capsys)


def serve(world: World, folder: Path, *, side: str = "long", **changes: Any) -> SignerProcess:
    """Start a signer for WHO whose policy says which side the position is on."""
    curie = Curie(world)
    keystore, password_file = world.credentials(WHO)
    key = bytes(Account.decrypt(json.loads(keystore.read_text()), password_file.read_text().strip()))
    usual: dict[str, Any] = {
        "chain_id": world.chain_id, "owner": world.account(WHO), "pool": world.pool("main"),
        "router": world.description["uniswap_v3"]["swap_router_02"],
        "perp": (curie.at("vault"), curie.at("clearing_house")),
        "tokens": [
            PolicyToken("USDC", world.token("USDC"), 6, "1"),
            PolicyToken("vETH", curie.base("vETH"), 18, "3000", position=side),
        ],
    }  # fmt: skip
    return start_signer(signer_folder(folder, key=key, policy=policy_text(**(usual | changes))))


@pytest.mark.parametrize(
    ("goal", "said"),
    [
        (REDUCTION, "less of a long, if it is as large"),
        (("--to-margin-ratio", "1.5", "--via", "margin"), "to the margin of the owner"),
        (CLOSING, "close the whole position in vETH"),
    ],
)
def test_a_plan_is_signed_by_a_process_of_its_own(
    cli: Cli, world: World, tmp_path: Path, goal: tuple[str, ...], said: str
) -> None:
    """A reduction, margin and a closing pass the signer's own reading and the chain; its words say what each does."""
    running = serve(world, tmp_path / "signer")
    printed = cli.rebalance(WHO, *PERP, *goal, "--signer", running.socket, "--broadcast", "--json")
    running.stop()

    assert 0 == printed.code, printed.err
    steps = printed.document["execution"]["steps"]
    assert {"included"} == {step["status"] for step in steps}
    assert len(steps) == running.log.read_text().count(" signed nonce ")
    assert said in printed.err


@pytest.mark.parametrize(
    ("change", "goal", "said"),
    [
        ({"side": "short"}, REDUCTION, "side"),
        ({"may_close": False}, CLOSING, "may_close"),
        ({"limits": NARROW}, REDUCTION, "traded value"),
    ],
)
def test_what_its_policy_does_not_say_is_not_signed(
    cli: Cli, world: World, tmp_path: Path, change: dict[str, Any], goal: tuple[str, ...], said: str
) -> None:
    """The other side, a whole position without leave, and more than the limit: nothing is signed, exit code 7."""
    running = serve(world, tmp_path / "signer", **change)
    printed = cli.rebalance(WHO, *PERP, *goal, "--signer", running.socket, "--broadcast")
    running.stop()

    assert_refused(printed, code=7, said="the signer refuses it: ")
    assert said in printed.err
    assert 0 == running.log.read_text().count(" signed nonce ")
