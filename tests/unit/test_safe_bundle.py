"""What the owners of a Safe are given to sign: the format and checksum of its Transaction Builder."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from defilev.errors import KeystoreInsecure
from defilev.guard.bundling import write_bundle
from defilev.report.safe_bundle import checksum_of, safe_bundle
from tests.unit.policy_cases import deleverage_plan

PUBLISHED = {
    "version": "1.0",
    "chainId": "1",
    "createdAt": 1761326849944,
    "meta": {
        "name": "Transactions Batch",
        "description": "",
        "txBuilderVersion": "1.18.2",
        "createdFromSafeAddress": "0xA77DE01e157f9f57C7c4A326eeE9C4874D0598b6",
        "createdFromOwnerAddress": "",
    },
    "transactions": [
        {
            "to": "0xA0b86991c6218b36c1d19D4a2e9Eb0cE3606eB48",
            "value": "0",
            "data": None,
            "contractMethod": {
                "inputs": [
                    {"internalType": "address", "name": "spender", "type": "address"},
                    {"internalType": "uint256", "name": "value", "type": "uint256"},
                ],
                "name": "approve",
                "payable": False,
            },
            "contractInputsValues": {"spender": "0x474e5Ded6b5D078163BFB8F6dBa355C3aA5478C8", "value": "100000000000"},
        }
    ],
}
"""A file that the Transaction Builder itself wrote, without its checksum (github.com/5afe/safe-cli-nodejs)."""


def test_the_checksum_is_the_builders_own() -> None:
    """A file that the Transaction Builder wrote has the checksum that is computed here, whatever its name."""
    expected = "0x8b5032f716845c8b08bab3d63dbd9ba92e056f3557793cd041e59b84e16aa989"

    assert expected == checksum_of(PUBLISHED)
    assert expected == checksum_of({**PUBLISHED, "meta": {**PUBLISHED["meta"], "name": "another"}})  # type: ignore[dict-item]


def test_the_bundle_has_every_call_of_the_plan_in_order() -> None:
    """Target, value and calldata of each step, for the Safe on its chain; and the checksum is of just that."""
    plan = deleverage_plan()
    bundle = safe_bundle(plan, name="treasury")

    assert [(step.to, str(step.value), step.data) for step in plan.steps] == [
        (call["to"], call["value"], call["data"]) for call in bundle["transactions"]
    ]
    assert (str(plan.chain_id), plan.owner) == (bundle["chainId"], bundle["meta"]["createdFromSafeAddress"])
    assert plan.hash in bundle["meta"]["description"]
    meta = {name: value for name, value in bundle["meta"].items() if name != "checksum"}
    assert bundle["meta"]["checksum"] == checksum_of({**bundle, "meta": meta})


def test_a_bundle_is_written_once_and_for_the_guards_user_alone(tmp_path: Path) -> None:
    """The same plan is the same file, which nobody else reads; a folder that others look into is refused."""
    folder = tmp_path / "bundles"
    file = write_bundle(deleverage_plan(), name="treasury", folder=str(folder))

    assert file == write_bundle(deleverage_plan(), name="treasury", folder=str(folder))
    assert [file] == list(folder.iterdir())
    assert 0o600 == file.stat().st_mode & 0o777
    assert "1.0" == json.loads(file.read_text())["version"]
    folder.chmod(0o755)
    with pytest.raises(KeystoreInsecure):
        write_bundle(deleverage_plan(), name="treasury", folder=str(folder))
