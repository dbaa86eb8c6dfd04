from __future__ import annotations

import json
import os
import subprocess
import sys
from contextlib import suppress
from pathlib import Path
from random import Random
from typing import Any

import pytest

from defilev_signer import rules
from defilev_signer.errors import Denied
from defilev_signer.hashing import address
from defilev_signer.policy import Policy
from defilev_signer.policy_file import parse_policy
from defilev_signer.transaction import read_transaction
from tests.support.trial_illegal import ILLEGAL, Illegal
from tests.support.trial_legal import legal_drafts, trial_policy


def _trial(repository: Path, *, illegal: int, legal: int, seed: int) -> dict[str, Any]:
    """Run the trial's script as a person does, without its set-up."""
    script = repository / "scripts" / "policy-trial.d" / "trial.py"
    words = ["--illegal", str(illegal), "--legal", str(legal), "--seed", str(seed)]
    done = subprocess.run(
        [sys.executable, script, *words], cwd=repository, capture_output=True, text=True, check=False,
        env={**os.environ, "PYTHONPATH": str(repository)},
    )  # fmt: skip
    assert 0 == done.returncode, done.stdout + done.stderr
    printed: dict[str, Any] = json.loads(done.stdout)
    return printed


@pytest.mark.parametrize("seed", [1, 2])
def test_a_signer_signs_nothing_illegal_and_refuses_nothing_legal(repository: Path, seed: int) -> None:
    """Every kind of illegal transaction several times, mixed with legal ones: none signed, none refused."""
    trial = _trial(repository, illegal=6 * len(ILLEGAL), legal=60, seed=seed)

    assert set(ILLEGAL) == set(trial["illegal"]["kinds"])
    assert (6 * len(ILLEGAL), 0, 0) == tuple(
        trial["illegal"][name] for name in ("generated", "signed", "refused_without_a_rule")
    )
    assert (60, 0) == (trial["legal"]["generated"], trial["legal"]["refused"])


OF_THE_LEDGER = {"a nonce that was used", "a nonce far ahead"}
RULES = [
    "chainId", "value", "beneficiary", "spender", "approved amount", "approved value", "withdrawn value", "price limit",
    "interest rate mode", "amountOutMinimum", "allowance afterwards", "data of a transaction to the owner",
    "gas limit", "fee per gas in wei", "tip per gas in wei", "wei that it can cost", "amountIn", "market",
    "whose it is", "side", "limit of the trade", "terms of the trade", "traded value",
]  # fmt: skip


@pytest.mark.parametrize("rule", RULES)
def test_the_trial_sees_a_rule_that_is_missing(monkeypatch: pytest.MonkeyPatch, rule: str) -> None:
    """With any one rule taken out, transactions that the trial generates would be signed: it is not blind."""
    random, policy = Random(7), parse_policy(trial_policy().encode())
    drafts = [draft for _, draft in zip(range(40), legal_drafts(random), strict=False)]
    cases = [make(random, draft) for draft in drafts for name, make in ILLEGAL.items() if name not in OF_THE_LEDGER]
    assert [] == _allowed(cases, policy)
    require = rules._require

    def blind(name: str, holds: bool, found: object, allowed: object) -> None:  # noqa: FBT001
        require(name, holds or name == rule, found, allowed)

    monkeypatch.setattr(rules, "_require", blind)

    assert [] != _allowed(cases, policy)


def _allowed(cases: list[Illegal], policy: Policy) -> list[bytes]:
    """Return what the rules alone would let pass."""
    passed = []
    for case in cases:
        with suppress(Denied):
            calls = [rules.Call(address(bytes.fromhex(to[2:])), data) for to, data in case.following]
            rules.judge(read_transaction(case.payload), calls, policy)
            passed.append(case.payload)
    return passed


@pytest.mark.full
def test_the_whole_trial(repository: Path) -> None:
    """10,000 illegal transactions and 1,000 legal ones."""
    trial = _trial(repository, illegal=10_000, legal=1_000, seed=4)

    assert (0, 0) == (trial["illegal"]["signed"], trial["legal"]["refused"])
