"""The control: the loop that everybody writes first. It asks for the pending nonce, and sends again after an error."""

from __future__ import annotations

import ssl
import sys
import time
from collections.abc import Callable
from decimal import Decimal
from pathlib import Path
from typing import Any

import httpx

from defilev.abi import interface
from defilev.units import WAD
from tests.chaos.job import Job
from tests.support.signing import PASSWORD

__all__ = ["protect"]

GWEI = 10**9
PAUSE = 0.05
VARIABLE_RATE = 2


class Naive:
    """A client of the usual kind: it believes every answer, and raises for none that has a result."""

    def __init__(self, job: Job, at: Callable[[str], None]) -> None:
        from eth_account import Account

        self.job = job
        self.at = at
        self.client = httpx.Client(timeout=job.timeout, verify=ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT))
        self.account = Account.from_key(Account.decrypt(Path(job.keystore).read_text(), PASSWORD.decode()))

    def rpc(self, method: str, *params: Any) -> Any:
        """Ask the node."""
        request = {"jsonrpc": "2.0", "id": 1, "method": method, "params": params}
        answer = self.client.post(self.job.rpc_urls[0], json=request)
        answer.raise_for_status()
        document = answer.json()
        if "error" in document:
            raise ValueError(document["error"])
        return document["result"]

    def call(self, to: str, data: bytes) -> bytes:
        """Ask a contract."""
        return bytes.fromhex(self.rpc("eth_call", {"to": to, "data": "0x" + data.hex()}, "latest")[2:])

    def send(self, to: str, data: bytes) -> str:
        """Sign with the pending nonce, and send."""
        nonce = int(self.rpc("eth_getTransactionCount", self.account.address, "pending"), 16)
        self.at("nonce_reserved")
        fields = {
            "type": 2, "chainId": int(self.rpc("eth_chainId"), 16), "nonce": nonce, "to": to, "data": data, "value": 0,
            "gas": 500_000, "maxFeePerGas": 20 * GWEI, "maxPriorityFeePerGas": GWEI,
        }  # fmt: skip
        signed = self.account.sign_transaction(fields)
        self.at("signed")
        sent: str = self.rpc("eth_sendRawTransaction", "0x" + signed.raw_transaction.hex())
        self.at("sent")
        return sent

    def wait(self, transaction: str) -> None:
        """Wait for the receipt."""
        while self.rpc("eth_getTransactionReceipt", transaction) is None:
            time.sleep(PAUSE)
        self.at("mined_seen")

    def act(self) -> bool:
        """Read, and repay when the health factor is below the trigger; tell whether it was."""
        places = self.job.places
        figures = interface("aave_v3_pool")["getUserAccountData"]
        collateral, debt, _, threshold, _, health = figures.decode(
            self.call(places["pool"], figures.encode(self.account.address))
        )
        self.at("observed")
        if health >= Decimal(self.job.trigger) * WAD:
            return False
        excess = debt - Decimal(collateral) * threshold / 10_000 / Decimal(self.job.target)
        amount = int(excess / 100)  # of 8 decimals, at a dollar: USDC has 6
        self.wait(self.send(places["token"], interface("erc20")["approve"].encode(places["pool"], amount)))
        repay = interface("aave_v3_pool")["repay"].encode(places["token"], amount, VARIABLE_RATE, self.account.address)
        self.wait(self.send(places["pool"], repay))
        return True


def protect(job: Job, at: Callable[[str], None]) -> None:
    """Act until nothing is left to do; after whatever went wrong, again."""
    loop = Naive(job, at)
    while True:
        try:
            if not loop.act():
                return
        except Exception as error:  # noqa: BLE001 - this is what makes it naive
            sys.stderr.write(f"naive: {error!r}\n")
            time.sleep(PAUSE)
