"""One signer: its policy, its key and its memory, and what it answers to a request."""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from defilev_signer.errors import Denied, SignerError
from defilev_signer.hashing import keccak, parse_address
from defilev_signer.keystore import Key
from defilev_signer.ledger import Ledger
from defilev_signer.policy import Policy
from defilev_signer.rules import Call, judge
from defilev_signer.summary import summary
from defilev_signer.transaction import read_transaction

__all__ = ["Desk"]

_HEX = re.compile(r"0x(?:[0-9a-f]{2})*")
_WORDS = {"sign": {"do", "transaction", "following"}, "status": {"do"}}


@dataclass(frozen=True, slots=True)
class Desk:
    """Answers requests, one at a time; `confinement` says what the platform denied this process."""

    policy: Policy
    key: Key
    ledger: Ledger
    confinement: dict[str, str]
    log: Callable[[str], None]

    def answer(self, request: Any) -> dict[str, Any]:
        """Return the answer; whatever goes wrong is an answer too, and quotes no secret."""
        try:
            wanted = _require_words(request)
            return self._sign(request) if wanted == "sign" else self._status()
        except Denied as denied:
            self.log(f"denied: {denied.fact}")
            return {"denied": {"rule": denied.rule, "found": denied.found, "allowed": denied.allowed}}
        except SignerError as error:
            return {"error": error.fact}
        except Exception as error:  # noqa: BLE001 - its words might quote the key; its kind cannot
            self.log(f"unexpected {type(error).__name__}")
            return {"error": f"unexpected {type(error).__name__} in the signer"}

    def _sign(self, request: dict[str, Any]) -> dict[str, Any]:
        transaction = read_transaction(_bytes(request.get("transaction"), "transaction"))
        judged = judge(transaction, _following(request.get("following", [])), self.policy)
        lines = summary(judged, self.policy)
        self.ledger.admit(judged, self.policy.limits)
        raw = self.key.sign(transaction)
        self.log(f"signed nonce {transaction.nonce}: {lines[1]}")
        return {"signed": "0x" + raw.hex(), "hash": "0x" + keccak(raw).hex(), "summary": list(lines)}

    def _status(self) -> dict[str, Any]:
        return {
            "address": self.key.address,
            "chain_id": self.policy.chain_id,
            "policy": self.policy.digest,
            "last_nonce": self.ledger.last_nonce(),
            "confinement": self.confinement,
        }


def _require_words(request: Any) -> str:
    wanted = request.get("do") if isinstance(request, dict) else None
    if not isinstance(wanted, str) or wanted not in _WORDS or not request.keys() <= _WORDS[wanted]:
        raise Denied("request", found="something else", allowed="sign with a transaction, or status")
    return wanted


def _following(calls: Any) -> list[Call]:
    if not isinstance(calls, list) or not all(
        isinstance(call, dict) and call.keys() == {"to", "data"} for call in calls
    ):
        raise Denied("calls that follow", found="something else", allowed="a list of to and data")
    return [Call(_address(call["to"]), _bytes(call["data"], "data")) for call in calls]


def _address(text: Any) -> str:
    try:
        return parse_address(text)
    except ValueError as error:
        raise Denied("address", found=str(error), allowed="an address with its capitals") from None


def _bytes(text: Any, what: str) -> bytes:
    if not isinstance(text, str) or not _HEX.fullmatch(text):
        raise Denied(what, found="something else", allowed="0x and lower-case hex digits, two for each byte")
    return bytes.fromhex(text[2:])
