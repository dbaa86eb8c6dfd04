"""Bundles for a real Safe on the local chain: made, verified, signed by its owners, executed, and refused."""

from __future__ import annotations

import json
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest

from defilev.abi import interface
from defilev.abi.safe import hash_call
from defilev.model.bundle import Bundle
from defilev.model.request import Address
from defilev.units import WAD
from tests.support.cli import Cli, Printed, assert_refused, credentials, untouched
from tests.support.safes import OLD_SAFE, OLD_SAFE_L2, SAFE_L2, Treasury, deploy_old_safes, new_safe, open_treasury
from tests.support.schemas import schema_problems

pytestmark = [pytest.mark.world, pytest.mark.usefixtures("folder")]

GOAL = ("-p", "aave-v3", "--to-health-factor", "2.5")


@pytest.fixture
def treasury(cli: Cli) -> Treasury:
    """A Safe with a position, of which two of three owners must sign."""
    return open_treasury(cli.world)


def made(cli: Cli, treasury: Treasury, *more: str | Path) -> Path:
    """Make a bundle for the Safe's own position and return its file."""
    printed = cli("plan", treasury.address, *GOAL, "--safe", treasury.address, "-o", "bundle.json", *more)
    assert 0 == printed.code, printed.err
    return Path("bundle.json")


def bundle_of(file: Path) -> Bundle:
    """Return what a file says."""
    own = json.loads(file.read_text())["defilev"]
    return Bundle.from_document({name: value for name, value in own.items() if name != "part"})


def sign(cli: Cli, file: Path, name: str, *more: str | Path) -> Printed:
    """Sign as a named account, to a file of its name."""
    return cli("safe", "sign", file, *credentials(cli.world, name), "-o", f"{name}.sig", *more)


def execute(cli: Cli, file: Path, *signers: str, sender: str = "empty", more: tuple[str, ...] = ()) -> Printed:
    """Execute with the signatures of named accounts."""
    given = [word for name in signers for word in ("--signature", f"{name}.sig")]
    return cli("safe", "execute", file, *given, *credentials(cli.world, sender), *more)


def health(treasury: Treasury) -> int:
    """Return the health factor of the Safe's position in wad."""
    return treasury.world.read("main", [treasury.address])[0].health_factor or 0


def test_a_bundle_is_made_and_nothing_is_signed(cli: Cli, treasury: Treasury, folder: Path) -> None:
    """The file carries the hash that the Safe itself computes, was tried with the Safe, and changed nothing."""
    with untouched(cli.world):
        file = made(cli, treasury)
        bundle = bundle_of(file)
    (part,) = bundle.parts
    asked = {"to": treasury.address, "data": "0x" + hash_call(part.transaction).hex()}

    assert part.transaction_hash == cli.world.rpc("eth_call", asked, "latest")
    assert (treasury.address, 0, 1) == (bundle.safe, part.transaction.nonce, part.transaction.operation)
    assert [bundle.plan.steps[0].index, bundle.plan.steps[-1].index] == [part.first_step, part.last_step]


@pytest.mark.parametrize("command", ["plan", "rebalance"])
def test_the_hashes_and_the_safe_are_shown(cli: Cli, treasury: Treasury, command: str) -> None:
    """Owners, threshold, modules and guard, three hashes, each call in words, and the trial with the Safe."""
    printed = cli(command, treasury.address, *GOAL, "--safe", treasury.address, "-o", "b.json")
    (part,) = bundle_of(Path("b.json")).parts

    assert 0 == printed.code, printed.err
    said = " ".join(printed.out.split())
    for expected in (
        part.domain_hash, part.message_hash, part.transaction_hash, "2 of 3 must sign", *treasury.owners,
        "modules none", "guard none", "withdraw", "1 execute ✓", "2 signatures of its owners", "sized-for-drift",
    ):  # fmt: skip
        assert expected in said


def test_owners_sign_and_anybody_executes(cli: Cli, treasury: Treasury) -> None:
    """Two signatures, given in whichever order, reach the goal in one transaction of the Safe, as was promised."""
    file = made(cli, treasury)
    assert [0, 0] == [sign(cli, file, name).code for name in ("loop", "comfortable")]
    dry = execute(cli, file, "loop", "comfortable")
    assert (0, "DRY RUN: nothing was signed.") == (dry.code, dry.out.splitlines()[-1])
    assert 0 == treasury.call("nonce")

    sent = execute(cli, file, "loop", "comfortable", more=("--broadcast", "--json"))
    assert 0 == sent.code, sent.err
    execution = sent.document["execution"]
    assert 1 == treasury.call("nonce")
    assert str(health(treasury)) == execution["got"]
    assert int(execution["promised"]) <= int(execution["got"])
    assert 25 * WAD // 10 <= health(treasury)
    assert "included" == execution["steps"][0]["status"]
    assert 0 == cli("journal", "verify").code


@pytest.mark.parametrize("singleton", [OLD_SAFE, OLD_SAFE_L2])
def test_a_safe_of_the_older_release_is_executed_too(cli: Cli, folder: Path, singleton: Address) -> None:
    """A Safe 1.3.0, of either kind, made from its own published code: bundled, signed by two, executed, on its goal."""
    deploy_old_safes(cli.world)
    treasury = open_treasury(cli.world, singleton=singleton)
    file = made(cli, treasury)
    assert "1.3.0" == treasury.call("VERSION")
    assert [0, 0] == [sign(cli, file, name).code for name in ("loop", "comfortable")]

    sent = execute(cli, file, "loop", "comfortable", more=("--broadcast", "--json"))

    assert 0 == sent.code, sent.err
    assert 1 == treasury.call("nonce")
    assert str(health(treasury)) == sent.document["execution"]["got"]


def test_an_executed_bundle_is_not_sent_again(cli: Cli, treasury: Treasury) -> None:
    """Whoever executes the same bundle once more, not knowing that it is in, is told so and sends nothing."""
    file = made(cli, treasury)
    assert [0, 0] == [sign(cli, file, name).code for name in ("loop", "comfortable")]
    assert 0 == execute(cli, file, "loop", "comfortable", more=("--broadcast",)).code
    before = health(treasury)

    with untouched(cli.world):
        again = execute(cli, file, "loop", "comfortable", more=("--broadcast",))

    assert_refused(again, code=7, said="nonce")
    assert (1, before) == (treasury.call("nonce"), health(treasury))


def test_killed_between_broadcast_and_receipt_it_is_not_sent_twice(cli: Cli, treasury: Treasury) -> None:
    """The process dies with its transaction on the way: the next call takes that one up, and sends no other."""
    file = made(cli, treasury)
    assert [0, 0] == [sign(cli, file, name).code for name in ("loop", "comfortable")]
    sender = cli.world.account("empty")
    given = [word for name in ("loop", "comfortable") for word in ("--signature", f"{name}.sig")]
    words = cli.words("safe", "execute", file, *given, *credentials(cli.world, "empty"), "--broadcast")
    cli.world.rpc("evm_setAutomine", False)
    try:
        with subprocess.Popen([Path(sys.executable).parent / "defilev", *words], stderr=subprocess.DEVNULL) as process:
            started = time.monotonic()
            while pending(cli, sender) == pending(cli, sender, "latest"):
                assert process.poll() is None
                assert time.monotonic() - started < 60
                time.sleep(0.05)
            process.kill()
        assert 1 == pending(cli, sender) - pending(cli, sender, "latest")
        cli.world.rpc("evm_mine")
    finally:
        cli.world.rpc("evm_setAutomine", True)
    sent, before = pending(cli, sender), health(treasury)

    again = execute(cli, file, "loop", "comfortable", more=("--broadcast",))

    assert_refused(again, code=7, said="nonce")
    assert (sent, 1) == (pending(cli, sender), treasury.call("nonce"))
    assert before == health(treasury)


def pending(cli: Cli, sender: Address, at: str = "pending") -> int:
    """Return how many transactions an account has sent, with those that are on the way."""
    return int(cli.world.rpc("eth_getTransactionCount", sender, at), 16)


def test_an_owner_who_sends_need_not_sign(cli: Cli, treasury: Treasury) -> None:
    """The sender's own consent counts when it is an owner, and so does an approval on the chain."""
    file = made(cli, treasury)
    assert_refused(execute(cli, file, sender="mixed"), code=7, said="1 of the 2 owners")
    approve = interface("safe")["approveHash"]
    hash_ = bytes.fromhex(bundle_of(file).parts[0].transaction_hash[2:])
    cli.world.send(treasury.owners[0], treasury.address, approve.encode(hash_))
    cli.world.rpc("anvil_stopImpersonatingAccount", treasury.owners[0])

    printed = execute(cli, file, sender="mixed", more=("--broadcast",))
    assert 0 == printed.code, printed.err
    assert "approved by" in printed.out
    assert 25 * WAD // 10 <= health(treasury)


def test_a_signature_of_another_tool_counts(cli: Cli, treasury: Treasury) -> None:
    """A file with nothing but 65 bytes in hex is a signature; one as a personal message is too."""
    file = made(cli, treasury)
    for name in ("loop", "mixed"):
        assert 0 == sign(cli, file, name).code
        bare = json.loads(Path(f"{name}.sig").read_text())["signatures"][0]["signature"]
        Path(f"{name}.sig").write_text(bare + "\n")

    assert 0 == execute(cli, file, "loop", "mixed").code


def test_a_safe_of_the_l2_kind_and_one_owner(cli: Cli) -> None:
    """SafeL2 and a threshold of one work alike."""
    treasury = open_treasury(cli.world, threshold=1, singleton=SAFE_L2)
    file = made(cli, treasury)
    printed = execute(cli, file, sender="loop", more=("--broadcast",))

    assert 0 == printed.code, printed.err
    assert 25 * WAD // 10 <= health(treasury)


def test_a_safe_repays_for_another_account(cli: Cli, treasury: Treasury) -> None:
    """A Safe that holds the debt asset repays on another owner's behalf, by nothing but a repayment."""
    from tests.support.wallets import give

    give(cli.world, "USDC", treasury.address, 50_000 * 10**6)
    owner = cli.world.account("comfortable")
    goal = ("-p", "aave-v3", "--to-health-factor", "2.2")
    printed = cli("plan", owner, *goal, "--safe", treasury.address, "-o", "b.json")
    assert 0 == printed.code, printed.err
    bundle = bundle_of(Path("b.json"))

    assert treasury.address == bundle.plan.payer
    assert {"approve", "repay"} == {step.action.kind for step in bundle.plan.steps}
    assert 0 == sign(cli, Path("b.json"), "loop").code
    sent = execute(cli, Path("b.json"), "loop", sender="mixed", more=("--broadcast",))
    assert 0 == sent.code, sent.err
    assert 22 * WAD // 10 <= (cli.world.read("main", [owner])[0].health_factor or 0)


def test_prices_may_move_by_the_drift(cli: Cli, treasury: Treasury) -> None:
    """Within the drift that a bundle was sized for it still executes and reaches its goal; far beyond it is refused."""
    file = made(cli, treasury, "--drift", "4%")
    cli.world.set_price("WETH", 2_890 * 10**8)
    cli.world.advance(20 * 3600)

    assert 0 == sign(cli, file, "loop").code
    sent = execute(cli, file, "loop", sender="mixed", more=("--broadcast",))
    assert 0 == sent.code, sent.err
    assert 25 * WAD // 10 <= health(treasury)


def test_a_fall_beyond_the_drift_is_refused(cli: Cli, treasury: Treasury) -> None:
    """What can no longer keep its promise is neither signed nor executed."""
    file = made(cli, treasury, "--drift", "1%")
    cli.world.set_price("WETH", 2_600 * 10**8)

    assert_refused(sign(cli, file, "loop"), code=6, said="does not keep its promise")


def test_what_does_not_fit_is_split(cli: Cli) -> None:
    """More calls than one transaction takes become several, signed together, each with its own file, and executed."""
    treasury = open_treasury(cli.world, supply="400", borrow="960000")
    printed = cli(
        "plan", treasury.address, "-p", "aave-v3", "--to-leverage", "1.0006", "--safe", treasury.address,
        "-o", "bundle.json",
    )  # fmt: skip
    assert 0 == printed.code, printed.err
    bundle = bundle_of(Path("bundle.json"))
    assert [0, 1] == [part.transaction.nonce for part in bundle.parts]
    assert bundle == bundle_of(Path("bundle-2.json"))

    signed = sign(cli, Path("bundle.json"), "loop", "--json")
    assert 2 == len(signed.document["signatures"])
    sent = execute(cli, Path("bundle-2.json"), "loop", sender="mixed", more=("--broadcast", "--json"))
    assert 0 == sent.code, sent.err
    assert ["included"] * 2 == [step["status"] for step in sent.document["execution"]["steps"]]
    assert 2 == treasury.call("nonce")


def test_a_hash_finds_its_bundle(cli: Cli, treasury: Treasury, folder: Path) -> None:
    """A safeTxHash, as a hardware signer shows it, is looked up among the files of a folder."""
    made(cli, treasury)
    (folder / "another.json").write_text("{}")
    (part,) = bundle_of(folder / "bundle.json").parts
    printed = cli("safe", "verify", part.transaction_hash, "--json")

    assert 0 == printed.code, printed.err
    assert ["bundle.json"] == printed.document["files"]
    assert_refused(cli("safe", "verify", "0x" + 64 * "1"), code=2, said="no bundle in")


def test_json_is_described_by_its_schemas(cli: Cli, treasury: Treasury) -> None:
    """Making, verifying, signing and executing print documents that their published schemas describe."""
    printed = cli("plan", treasury.address, *GOAL, "--safe", treasury.address, "-o", "bundle.json", "--json")
    documents = [printed.document, cli("safe", "verify", "bundle.json", "--json").document]
    documents += [sign(cli, Path("bundle.json"), name, "--json").document for name in ("loop", "mixed")]
    for more in ((), ("--broadcast",)):
        documents.append(execute(cli, Path("bundle.json"), "loop", "mixed", more=("--json", *more)).document)

    assert ["safe-plan", "safe-verify", "safe-signature", "safe-signature", "safe-execute", "safe-execute"] == [
        document["schema"].removeprefix("defilev/").removesuffix("@1") for document in documents
    ]
    assert [[]] * 6 == [schema_problems(document) for document in documents]


def test_what_is_not_a_safe_is_refused(cli: Cli, treasury: Treasury) -> None:
    """A plain account, another contract, and a Safe whose implementation was replaced are named for what they are."""
    who = cli.world.account("comfortable")
    for other, said in ((who, "no contract at"), (cli.world.token("WETH"), "is not a Safe 1.3.0 or 1.4.1")):
        assert_refused(cli("plan", who, *GOAL, "--safe", other), code=7, said=said)
    cli.world.rpc("anvil_setStorageAt", treasury.address, "0x0", "0x" + cli.world.token("WETH")[2:].rjust(64, "0"))
    assert_refused(
        cli("plan", treasury.address, *GOAL, "--safe", treasury.address), code=7, said="is not a Safe 1.3.0 or 1.4.1"
    )


def test_a_chain_without_the_pinned_contract_is_refused(cli: Cli, treasury: Treasury) -> None:
    """Where other code is at the address of MultiSendCallOnly nothing is delegated to it."""
    cli.world.rpc("anvil_setCode", "0x9641d764fc13c8B624c04430C7356C1C7C8102e2", "0x00")
    printed = cli("plan", treasury.address, *GOAL, "--safe", treasury.address)

    assert_refused(printed, code=7, said="is not MultiSendCallOnly 1.4.1 on this chain")


def test_modules_and_a_guard_are_shown(cli: Cli, treasury: Treasury) -> None:
    """A module, which needs no signature, and a guard, which may refuse everything, are said before anybody signs."""
    module = cli.world.account("empty")
    treasury.by_itself(bytes.fromhex("610b5925") + bytes(12) + bytes.fromhex(module[2:]))
    cli.world.rpc("anvil_stopImpersonatingAccount", treasury.address)
    printed = cli("plan", treasury.address, *GOAL, "--safe", treasury.address, "-o", "b.json")

    assert 0 == printed.code, printed.err
    assert f"{module}: may act without any signature" in " ".join(printed.out.split())


def test_who_may_not_sign_does_not(cli: Cli, treasury: Treasury) -> None:
    """A key that is no owner's signs nothing."""
    assert_refused(sign(cli, made(cli, treasury), "empty"), code=7, said="is not an owner of the Safe")


def _edited(name: str, **change: Any) -> None:
    document = json.loads(Path(f"{name}.sig").read_text())
    document["signatures"][0].update(change.pop("signature", {}))
    Path(f"{name}.sig").write_text(json.dumps({**document, **change}))


def test_signatures_that_do_not_count(cli: Cli, treasury: Treasury) -> None:
    """Twice the same, a stranger's, another's under a name, a contract's, of another hash, cut short: each is named."""
    file = made(cli, treasury)
    sign(cli, file, "loop")
    sign(cli, file, "mixed")
    whole = json.loads(Path("loop.sig").read_text())["signatures"][0]["signature"]
    cases: list[tuple[dict[str, Any], str]] = [
        ({"owner": cli.world.account("empty")}, "is not an owner of the Safe"),
        ({"owner": cli.world.account("mixed")}, "not of the owner that it names"),
        ({"signature": {"signature": whole[:-2] + "00"}}, "a contract's"),
        ({"signature": {"signature": whole[:-2] + "01"}}, "an approval on the chain"),
        ({"signature": {"signature": whole[:-2]}}, "65 bytes"),
        ({"signature": {"signature": "0xzz"}}, "hex digits"),
        ({"signature": {"transaction_hash": "0x" + 64 * "2"}}, "of another bundle"),
        ({"chain_id": "1"}, "another chain or Safe"),
    ]
    original = Path("loop.sig").read_text()
    for change, said in cases:
        Path("loop.sig").write_text(original)
        _edited("loop", **change)
        assert_refused(execute(cli, file, "loop", "mixed"), code=7, said=said)
    Path("loop.sig").write_text(original)
    assert_refused(execute(cli, file, "loop", "loop"), code=7, said="has signed twice")
    assert_refused(execute(cli, file, "loop"), code=7, said="1 of the 2 owners")
    Path("loop.sig").write_text("{}")
    assert_refused(execute(cli, file, "loop", "mixed"), code=2, said="not a file of signatures")


def test_a_bundle_that_is_over_is_refused(cli: Cli, treasury: Treasury) -> None:
    """Expired, executed, or overtaken by another transaction of the Safe: named, and nothing is signed."""
    file = made(cli, treasury, "--expires", "1h")
    cli.world.advance(2 * 3600)
    assert_refused(sign(cli, file, "loop"), code=7, said="the bundle has expired")
    file = made(cli, treasury)
    cli.world.rpc("anvil_setStorageAt", treasury.address, "0x5", "0x" + "1".rjust(64, "0"))
    assert 1 == treasury.call("nonce")
    assert_refused(cli("safe", "verify", file), code=7, said="the Safe's nonce is past the bundle's")


def test_a_bundle_of_another_chain_or_safe_is_refused(cli: Cli, treasury: Treasury, folder: Path) -> None:
    """A file for another Safe of the same owners, or that was edited, is refused for what it is."""
    file = made(cli, treasury)
    document = json.loads(file.read_text())
    for place, value in (("chainId", "1"), ("createdAt", 1)):
        (folder / "other.json").write_text(json.dumps({**document, place: value}))
        assert_refused(cli("safe", "verify", "other.json"), code=7, said="changed after it was made")
    (folder / "other.json").write_text("[")
    assert_refused(cli("safe", "verify", "other.json"), code=2, said="is not JSON")
    assert_refused(cli("safe", "verify", "nowhere.json"), code=2, said="cannot be read")
    assert_refused(cli("safe", "verify", file, node=("--rpc-url", cli.world.rpc_url, "--chain", "ethereum")),
                   code=4, said="chain 31337")  # fmt: skip


def test_a_drift_without_a_safe_and_too_large_a_one_are_refused(cli: Cli, treasury: Treasury) -> None:
    """What cannot be meant is said before anything is read."""
    who = treasury.address
    assert_refused(cli("plan", who, *GOAL, "--drift", "1%"), code=2, said="--drift")
    assert_refused(cli("plan", who, *GOAL, "--safe", who, "--drift", "11%"), code=2, said="not from 0% to 10%")
    assert_refused(cli("plan", who, *GOAL, "--safe", "0x1"), code=2, said="--safe")
    assert_refused(cli("plan", who, *GOAL, "--safe", who, "--expires", "30d"), code=7, said="more than a sale may lose")
    assert_refused(cli("rebalance", who, *GOAL, "--safe", who, "--broadcast"), code=2, said="contradict each other")


def test_nothing_of_a_stranger_fits_the_position(cli: Cli, treasury: Treasury) -> None:
    """A Safe without a token of the debt cannot repay for another account."""
    poor = new_safe(cli.world, treasury.owners, 1, salt=9)
    printed = cli("plan", cli.world.account("comfortable"), *GOAL, "--safe", poor)

    assert 7 == printed.code
    assert 1 == len(printed.fixes)


def test_the_executor_has_no_part_in_a_bundle(cli: Cli, treasury: Treasury) -> None:
    """A bundle is one transaction anyway, and the executor's promise is for minutes: asked for, it is refused."""
    refused = cli("plan", treasury.address, *GOAL, "--safe", treasury.address, "--via", "atomic", "-o", "bundle.json")

    assert_refused(refused, code=2, said="a Safe's bundle is all or nothing already")
