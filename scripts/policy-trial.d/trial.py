"""Ask a real signer's process for signatures, legal and illegal ones mixed; print what it did as one JSON object."""

from __future__ import annotations

import argparse
import json
import sys
import tempfile
import time
from collections import Counter
from dataclasses import replace
from itertools import cycle
from pathlib import Path
from random import Random
from typing import Any

import rlp  # type: ignore[import-untyped]
from eth_account import Account
from eth_utils.address import to_checksum_address

from tests.support.signing import SignerProcess, signer_folder, start_signer
from tests.support.trial_illegal import ILLEGAL
from tests.support.trial_legal import KEY, OWNER, Draft, legal_drafts, trial_policy

CONTROL = 1000
"""How many of the illegal transactions a signer without a policy is asked for."""
LEGACY = ("nonce", "gasPrice", "gas", "to", "value", "data")
NAMES = ("chainId", "nonce", "maxPriorityFeePerGas", "maxFeePerGas", "gas", "to", "value", "data", "accessList")


def signed_without_a_policy(payload: bytes) -> bool:
    """Tell whether eth-account signs it when it is asked to: the control, which shows that the cases are dangerous."""
    try:
        is_typed = payload[:1] == b"\x02"
        items = rlp.decode(payload[1:] if is_typed else payload)
        names = NAMES if is_typed else LEGACY
        fields = {name: _as_written(name, item) for name, item in zip(names, items, strict=False)}
        Account.sign_transaction({name: value for name, value in fields.items() if value is not None}, KEY)
    except Exception:  # noqa: BLE001 - whatever it raises, it did not sign
        return False
    return True


def _as_written(name: str, item: Any) -> Any:
    """Return a field as that library takes it, `None` for an empty recipient."""
    if name == "to":
        return to_checksum_address(item) if item else None
    return item if name in ("data", "accessList") else int.from_bytes(item, "big")


class Trial:
    """The counts, and an example of each thing that must not happen."""

    def __init__(self, signer: SignerProcess, random: Random) -> None:
        self.signer = signer
        self.random = random
        self.illegal: Counter[str] = Counter()
        self.legal: Counter[str] = Counter()
        self.rules: Counter[str] = Counter()
        self.wrong: list[dict[str, Any]] = []
        self.signed = 0
        self.refused = 0
        self.unexplained = 0
        self.last = 0
        self.control = Counter[str]()
        self._names = cycle(random.sample(sorted(ILLEGAL), len(ILLEGAL)))

    def ask_illegal(self, draft: Draft) -> None:
        """Ask for one signature that must not be given, made from a legal transaction."""
        name = next(self._names)
        case = ILLEGAL[name](self.random, replace(draft, last=self.last))
        answer = self.signer.sign(case.payload, case.following)
        if self.control["asked"] < CONTROL:
            self.control["asked"] += 1
            self.control["signed"] += signed_without_a_policy(case.payload)
        self.illegal[name] += 1
        self.rules[answer.get("denied", {}).get("rule", "NOT DENIED")] += 1
        if "denied" not in answer:
            self.signed += "signed" in answer
            self.unexplained += "signed" not in answer
            self.wrong.append({"illegal": name, "payload": case.payload.hex(), "answer": answer})

    def ask_legal(self, draft: Draft) -> None:
        """Ask for one signature that must be given, and recover the signer from it."""
        answer = self.signer.sign(draft.payload(), draft.following)
        self.legal[draft.kind] += 1
        self.last = draft.nonce
        if "signed" not in answer or Account.recover_transaction(answer["signed"]) != OWNER:
            self.refused += 1
            self.wrong.append({"legal": draft.kind, "payload": draft.payload().hex(), "answer": answer})


def run(signer: SignerProcess, *, illegal: int, legal: int, seed: int) -> dict[str, Any]:
    """Mix both kinds evenly, each illegal one made from the legal one that comes next."""
    random = Random(seed)  # noqa: S311 - cases, not keys
    trial = Trial(signer, random)
    drafts = legal_drafts(random)
    trial.ask_legal(next(drafts))
    for place in range(max(legal - 1, 1)):
        draft = next(drafts)
        while sum(trial.illegal.values()) * max(legal - 1, 1) < illegal * (place + 1):
            trial.ask_illegal(draft)
        if place < legal - 1:
            trial.ask_legal(draft)
    return {
        "seed": seed,
        "illegal": {
            "generated": sum(trial.illegal.values()),
            "signed": trial.signed,
            "refused_without_a_rule": trial.unexplained,
            "kinds": dict(trial.illegal),
        },
        "legal": {"generated": sum(trial.legal.values()), "refused": trial.refused, "kinds": dict(trial.legal)},
        "without_a_policy": dict(trial.control),
        "rules_that_denied": dict(trial.rules.most_common()),
        "examples_of_failure": trial.wrong[:5],
    }


def main() -> int:
    """Run the trial against a signer of its own; return 1 when anything was signed or refused that must not be."""
    parser = argparse.ArgumentParser(prog="scripts/policy-trial", description=__doc__)
    parser.add_argument("--illegal", type=int, default=500, metavar="N", help="how many illegal transactions")
    parser.add_argument("--legal", type=int, default=50, metavar="N", help="how many legal ones")
    parser.add_argument("--seed", type=int, default=1, metavar="S", help="of the random cases")
    chosen = parser.parse_args()
    began = time.monotonic()
    with tempfile.TemporaryDirectory() as scratch:
        folder = signer_folder(Path(scratch) / "signer", key=KEY, policy=trial_policy())
        signer = start_signer(folder)
        try:
            result = run(signer, illegal=chosen.illegal, legal=chosen.legal, seed=chosen.seed)
        finally:
            signer.stop()
    print(json.dumps(result | {"seconds": round(time.monotonic() - began, 1)}, indent=2))
    return 1 if result["examples_of_failure"] else 0


if __name__ == "__main__":
    sys.exit(main())
