"""`defilev executor`: the contract behind `--via atomic`: where it is, whether it is ours, and how to deploy it."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from defilev.cli.context import load, output, run_of

if TYPE_CHECKING:
    from defilev.pipeline.session import Session

__all__ = ["app"]

app = typer.Typer(
    help="The contract that changes a position in one transaction: its address, its code, its deployment."
)


@app.command()
def address(ctx: typer.Context) -> None:
    """Print where the contract is, on every chain that has it; asks no node.

    Example: defilev executor address
    """
    from defilev.abi import executor_code

    out = output(ctx)
    if out.json:
        out.document(_document())
        return
    out.result(executor_code().address)
    out.next("defilev executor verify --rpc-url URL")


@app.command()
def verify(ctx: typer.Context) -> None:
    """Compare the code on the chain with the one that this version was built and tested with.

    Example: defilev executor verify --rpc-url http://127.0.0.1:8545
    """
    from defilev.abi import executor_code
    from defilev.pipeline.executing import verify_executor
    from defilev.pipeline.session import connect

    out = output(ctx)
    session = connect(load(ctx).values)
    try:
        reach = verify_executor(session)
    finally:
        session.close()
    if out.json:
        out.document(_document(session, router=reach.router, morpho=reach.morpho))
        return
    code = executor_code()
    out.result(f"the executor at {code.address} on {session.book.chain_name} is ours, at block {session.block.number}")
    out.result(f"  code    keccak-256 0x{code.runtime_hash.hex()}")
    out.result(f"  router  {reach.router}")
    out.result(f"  Morpho  {reach.morpho or 'none listed'}")


@app.command()
def deploy(
    ctx: typer.Context,
    who: Annotated[
        str, typer.Argument(metavar="WHO", help="Who pays for it; the contract belongs to nobody.", show_default=False)
    ],
    *,
    unsigned: Annotated[
        Path | None, typer.Option("--unsigned", metavar="FILE", help="Write the transaction for another signer.")
    ] = None,
) -> None:
    """Try the deployment on the chain's newest state, and write its transaction for another signer. Signs nothing.

    Example: defilev executor deploy 0xADDRESS --unsigned deployment.json
    """
    from defilev.cli.plan_file import write_document
    from defilev.cli.who import one_account
    from defilev.pipeline.deploying import deployment

    out = output(ctx)
    with one_account(run_of(ctx), who) as (session, sender), out.stage("simulate"):
        transaction = deployment(session, sender)
    document = _document(session, transaction=transaction)
    if unsigned is not None:
        write_document(unsigned, document)
    if out.json:
        out.document(document)
        return
    _say_deployment(ctx, session, transaction, unsigned)


def _say_deployment(ctx: typer.Context, session: Session, transaction: dict[str, Any], unsigned: Path | None) -> None:
    from defilev.abi import executor_code
    from defilev.units import to_decimal

    out = output(ctx)
    most = to_decimal(int(transaction["gas_limit"]) * int(transaction["max_fee_per_gas"]), 18)
    out.result(f"the deployment works on {session.book.chain_name} at block {session.block.number}")
    out.result(f"  address  {executor_code().address}")
    out.result(f"  by       {executor_code().factory}, the factory that deploys by content")
    out.result(f"  paid by  {transaction['from']}, nonce {transaction['nonce']}")
    out.result(f"  gas      {transaction['gas_limit']} at most, {most:.6f} of the native currency at the highest fee")
    if unsigned is None:
        out.result("DRY RUN: nothing was signed.")
        out.next(f"defilev executor deploy {transaction['from']} --unsigned deployment.json")
    else:
        out.result(f"wrote the transaction unsigned to {unsigned}; nothing was signed")


def _document(session: Session | None = None, **found: Any) -> dict[str, Any]:
    from defilev.abi import executor_code, keccak
    from defilev.model.codec import to_document

    code = executor_code()
    return {
        "schema": "defilev/executor@1",
        "address": code.address,
        "factory": code.factory,
        "salt": "0x" + code.salt.hex(),
        "creation_hash": "0x" + keccak(code.creation_code).hex(),
        "runtime_hash": "0x" + code.runtime_hash.hex(),
        "chain_id": None if session is None else session.chain_id,
        "block": None if session is None else to_document(session.block),
        "router": found.get("router"),
        "morpho": found.get("morpho"),
        "transaction": found.get("transaction"),
    }
