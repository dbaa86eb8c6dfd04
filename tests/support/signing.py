"""A signer's process as tests see it: a policy file, a cheap keystore, and requests over its socket."""

from __future__ import annotations

import json
import os
import socket
import subprocess
import sys
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from defilev.execute.keystore import import_keystore
from defilev.execute.secret import Secret
from defilev_signer.hashing import selector

__all__ = ["FUNCTIONS", "LIMITS", "PolicyToken", "SignerProcess", "policy_text", "signer_folder", "start_signer"]

ROOT = Path(__file__).resolve().parents[2]
PASSWORD = b"correct horse"
WORK_FACTOR = 2**4
FUNCTIONS = {
    "aave-v3-pool": (
        "withdraw(address,uint256,address)",
        "repay(address,uint256,uint256,address)",
        "repayWithATokens(address,uint256,uint256)",
        "supply(address,uint256,address,uint16)",
    ),
    "morpho-blue-pool": (
        "withdrawCollateral((address,address,address,address,uint256),uint256,address,address)",
        "withdraw((address,address,address,address,uint256),uint256,uint256,address,address)",
        "repay((address,address,address,address,uint256),uint256,uint256,address,bytes)",
        "supplyCollateral((address,address,address,address,uint256),uint256,address,bytes)",
    ),
    "uniswap-v3-router": (
        "exactInputSingle((address,address,uint24,address,uint256,uint256,uint160))",
        "exactInput((bytes,address,uint256,uint256))",
    ),
    "perp-curie-pool": ("depositFor(address,address,uint256)", "withdrawAll(address)"),
    "perp-curie-house": (
        "openPosition((address,bool,bool,uint256,uint256,uint256,uint160,bytes32))",
        "closePosition((address,uint160,uint256,uint256,bytes32))",
    ),
    "token": ("approve(address,uint256)",),
}
LEVERING = {
    "aave-v3-pool": ("borrow(address,uint256,uint256,uint16,address)", "supply(address,uint256,address,uint16)"),
}
LIMITS = {
    "fee_per_gas_gwei": "500",
    "transaction_cost_eth": "0.4",
    "gas_cost_per_day_eth": "20",
    "transactions_per_day": 10_000,
    "value_per_transaction": "100000",
    "value_per_day": "1000000000",
}


@dataclass(frozen=True)
class PolicyToken:
    """A token of a policy; the lowest sale is 80 % of the price, the highest purchase 105 %, unless given."""

    symbol: str
    address: str
    decimals: int
    price: str
    floor: float = 0.8
    ceiling: float = 1.05
    position: str | None = None

    def table(self) -> str:
        """Return the token's part of the policy file."""
        lowest, highest = float(self.price) * self.floor, float(self.price) * self.ceiling
        side = "" if self.position is None else f'position = "{self.position}"\n'
        return (
            f'[[token]]\nsymbol = "{self.symbol}"\naddress = "{self.address}"\ndecimals = {self.decimals}\n'
            f'price = "{self.price}"\nlowest_sale = "{lowest:.6f}"\nhighest_purchase = "{highest:.6f}"\n{side}'
        )


def policy_text(
    *,
    chain_id: int,
    owner: str,
    pool: str,
    router: str,
    tokens: Iterable[PolicyToken],
    morpho: str | None = None,
    markets: Sequence[str] = (),
    perp: tuple[str, str] | None = None,
    protected: Sequence[str] = (),
    may_close: bool = True,
    may_lever: bool = False,
    limits: dict[str, Any] | None = None,
) -> str:
    """Return a policy file; `markets` are the isolated ones of `morpho`, `perp` is vault and house; or none."""
    places = {"aave-v3-pool": pool, "uniswap-v3-router": router, "token": None}
    if morpho is not None:
        places["morpho-blue-pool"] = morpho
    if perp is not None:
        places |= dict(zip(("perp-curie-pool", "perp-curie-house"), perp, strict=True))
    head = f'[chain]\nid = {chain_id}\nname = "test"\n\n[account]\nowner = "{owner}"\n'
    head += f"protected = {json.dumps(list(protected))}\nmay_close = {str(may_close).lower()}\n"
    head += "may_lever = true\n" if may_lever else ""
    bounds = "".join(f"{name} = {json.dumps(value)}\n" for name, value in (LIMITS | (limits or {})).items())
    contracts = [_contract(role, place, markets) for role, place in places.items()]
    return "\n".join([head, *contracts, *(token.table() for token in tokens), "[limits]", bounds])


def _contract(role: str, place: str | None, markets: Sequence[str]) -> str:
    where = f'name = "{role}"\naddress = "{place}"\n' if place else ""
    where += f"markets = {json.dumps(list(markets))}\n" if role == "morpho-blue-pool" else ""
    functions = "".join(f'"0x{selector(name).hex()}" = "{name}"\n' for name in FUNCTIONS[role])
    raising = "".join(f'"0x{selector(name).hex()}" = "{name}"\n' for name in LEVERING.get(role, ()))
    levering = f"[contract.levering]\n{raising}" if raising else ""
    return f'[[contract]]\nrole = "{role}"\n{where}[contract.functions]\n{functions}{levering}'


def signer_folder(folder: Path, *, key: bytes, policy: str) -> Path:
    """Make a folder with everything that a signer needs: policy.toml, keystore, state and socket folders."""
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    for name in ("state", "run"):
        (folder / name).mkdir(mode=0o700)
    (folder / "policy.toml").write_text(policy, encoding="utf-8")
    import_keystore(folder / "keys", "key", private_key=Secret(key), password=Secret(PASSWORD), work_factor=WORK_FACTOR)
    return folder


@dataclass
class SignerProcess:
    """A running `defilev-signer`; `started` is the line that it printed."""

    folder: Path
    process: subprocess.Popen[str]
    started: dict[str, Any]

    @property
    def socket(self) -> Path:
        return self.folder / "run" / "signer.sock"

    @property
    def log(self) -> Path:
        return self.folder / "log"

    def ask(self, request: Any) -> dict[str, Any]:
        """Send a request and return the answer."""
        answer: dict[str, Any] = json.loads(self.ask_raw(json.dumps(request).encode() + b"\n"))
        return answer

    def ask_raw(self, request: bytes) -> bytes:
        """Send bytes and return whatever comes back until the connection is closed."""
        with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as connection:
            connection.settimeout(10)
            connection.connect(str(self.socket))
            connection.sendall(request)
            received = bytearray()
            while part := connection.recv(65536):
                received += part
            return bytes(received)

    def sign(self, payload: bytes, following: Sequence[tuple[str, bytes]] = ()) -> dict[str, Any]:
        """Ask for a signature."""
        calls = [{"to": to, "data": "0x" + data.hex()} for to, data in following]
        return self.ask({"do": "sign", "transaction": "0x" + payload.hex(), "following": calls})

    def stop(self) -> None:
        """End the process and wait for it."""
        self.process.terminate()
        self.process.wait(timeout=10)
        if self.process.stdout:
            self.process.stdout.close()


def signer_command(folder: Path, *options: str) -> list[str]:
    """Return the command line that serves in `folder`."""
    places = {
        "--policy": folder / "policy.toml",
        "--keystore": folder / "keys" / "key",
        "--socket": folder / "run" / "signer.sock",
        "--state": folder / "state",
    }
    words = [str(word) for pair in places.items() for word in pair]
    return [sys.executable, "-P", "-m", "defilev_signer", "serve", *words, *options]


def start_signer(folder: Path, *options: str, new: bool = True, password: bytes = PASSWORD) -> SignerProcess:
    """Serve in `folder` and wait until it listens; its log is the file `log`."""
    reading, writing = os.pipe()
    os.write(writing, password + b"\n")
    os.close(writing)
    words = [*options, "--password-fd", str(reading), *(("--new-state",) if new else ())]
    with (folder / "log").open("ab") as log:
        process = subprocess.Popen(
            signer_command(folder, *words), stdout=subprocess.PIPE, stderr=log, pass_fds=[reading], text=True,
            cwd=folder,
            env={"PATH": os.environ["PATH"], "PYTHONPATH": str(ROOT)},
        )  # fmt: skip
    os.close(reading)
    assert process.stdout is not None
    line = process.stdout.readline()
    if not line:
        process.wait(timeout=10)
        process.stdout.close()
        raise AssertionError((folder / "log").read_text())
    return SignerProcess(folder, process, json.loads(line))
