"""Take every safeguard out of the contract, one by one: for each of them a test has to fail."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import NamedTuple

import artifact
import forge

SOURCE = "LeverageExecutor.sol"
REQUIRE = re.compile(r"^ +require\((.+)\);$", re.MULTILINE)


class Mutant(NamedTuple):
    """One change of a source."""

    about: str
    before: str
    after: str
    file: str = SOURCE


# What is no `require` and protects all the same.
OTHERS = (
    Mutant("the lock is not taken", "_store(BUSY, 1);", ""),
    Mutant("the lock is not given back", "_store(BUSY, 0);", ""),
    Mutant("a callback may come twice", "_store(EXPECTED, 0);", ""),
    Mutant("the sender is not part of what is expected", "encodePacked(lender, data)", "encodePacked(data)"),
    Mutant("the order is not part of what is expected", "encodePacked(lender, data)", "encodePacked(lender)"),
    Mutant("the deadline itself is refused", "block.timestamp <= order", "block.timestamp < order"),
    Mutant("the last block itself is refused", "block.number <= order", "block.number < order"),
    Mutant("only blocks count", "block.timestamp <= order.promised.deadline && ", ""),
    Mutant("only time counts", " && block.number <= order.promised.lastBlock", ""),
    Mutant("the health factor itself is refused", "health >= order", "health > order"),
    Mutant("the debt itself is refused", "debt <= order", "debt < order"),
    Mutant("the collateral itself is refused", "collateral >= order", "collateral > order"),
    Mutant("what is returned itself is refused", "balance >= least", "balance > least"),
    Mutant("debt tokens stay", "_giveBack(order.market.loanToken);", ""),
    Mutant("collateral stays", "_giveBack(order.market.collateralToken);", ""),
    Mutant("the authorisation is not revoked", "if (order.revoke.v != 0) _authorize(false, order.revoke);", ""),
    Mutant("the router takes more", "(collateral, router(), order.limit)", "(collateral, router(), 2 * order.limit)"),
    Mutant("all of the loan is bought again", "owed - balance, order", "owed, order"),
    Mutant("no least purchase", "order.borrowed, order.limit)", "order.borrowed, 0)"),
    Mutant("less is taken", "(owner, address(this), order.taken)", "(owner, address(this), order.taken - 1)"),
    Mutant("the fee is not paid", "order.borrowed + fee", "order.borrowed"),
    Mutant("a token that answers false is believed", "abi.decode(answer, (bool))", "true"),
    Mutant("a token without code is believed", "token.code.length != 0", "true"),
    Mutant("the allowances of the router are not looked at", "i < 6", "i < 4"),
    Mutant("token 0 is taken for token 1", "return token == token0;", "return token != token0;"),
    Mutant("a used permit stops the call", "until, v, r, s) {} catch {}", "until, v, r, s) {} catch { revert(); }"),
    Mutant("a used authorisation stops the call", "if (!IMorpho(order", "if (true || !IMorpho(order"),
    Mutant("Morpho's debt is rounded down", " + totalShares - 1) / totalShares", ") / totalShares", "Positions.sol"),
    Mutant("Morpho's threshold is left out", " * market.lltv / 1e18", "", "Positions.sol"),
    Mutant("no Morpho is a Morpho", "account != address(0) && ", "", "Venues.sol"),
)


def run() -> int:
    """Try every mutant on a copy; print those that no test notices."""
    if forge.test(["--no-match-test", "invariant|testFuzz", "--summary"]):
        return 1
    tried = list(mutants())
    survivors = [mutant for mutant in tried if not _noticed(mutant)]
    for mutant in survivors:
        print(f"survives: {mutant.about}: {mutant.before.strip()}")
    print(f"{len(tried) - len(survivors)} of {len(tried)} mutants are noticed")
    return 1 if survivors else 0


def mutants() -> Iterator[Mutant]:
    """Yield one mutant for every `require`, and the others."""
    for found in REQUIRE.finditer(_source(SOURCE)):
        yield Mutant("a require is taken out", found[0], "")
    for mutant in OTHERS:
        if mutant.before not in _source(mutant.file):
            raise ValueError(f"{mutant.about}: {mutant.file} has no {mutant.before!r}")
        yield mutant


def _source(name: str) -> str:
    return (forge.CONTRACTS / name).read_text()


def _noticed(mutant: Mutant) -> bool:
    changed = _source(mutant.file).replace(mutant.before, mutant.after)
    code = artifact.compiled({f"contracts/{mutant.file}": changed})["evm"]["deployedBytecode"]["object"]
    options = ("--fail-fast", "--no-match-test", "testShipped|invariant|testFuzz")
    return forge.run("test", *options, code=code, quiet=True).returncode != 0
