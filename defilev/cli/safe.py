"""`defilev safe`: bundles for the owners of a Safe, verified, signed and executed. Sends only with --broadcast."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from defilev.cli.context import run_of

__all__ = ["app"]

File = Annotated[Path, typer.Argument(metavar="FILE", help="A bundle, see `defilev plan --safe`.", show_default=False)]
Account = Annotated[str | None, typer.Option("--account", metavar="NAME", help="The keystore, by name.")]
Keystore = Annotated[Path | None, typer.Option("--keystore", metavar="FILE", help="The keystore.")]
PasswordFile = Annotated[
    Path | None, typer.Option("--password-file", metavar="FILE", help="A file of mode 0600, in place of a prompt.")
]
Confirm = Annotated[
    str | None, typer.Option("--confirm", metavar="HASH", help="The safeTxHash of the bundle that you reviewed.")
]
Yes = Annotated[bool, typer.Option("--yes", help="With --confirm: do not ask.")]

app = typer.Typer(help="Bundles for the owners of a Safe: verified from their bytes, signed, executed.")


@app.command()
def verify(
    ctx: typer.Context,
    given: Annotated[
        str, typer.Argument(metavar="FILE|HASH", help="A bundle, or the safeTxHash of one.", show_default=False)
    ],
    *,
    folder: Annotated[
        Path, typer.Option("--in", metavar="DIR", help="Where to look for the bundle of a hash.")
    ] = Path(),
) -> None:
    """Check a bundle that somebody made: its hashes, each call against the policy, the Safe, and its promise on a fork.

    Example: defilev safe verify bundle.json
    """
    from defilev.cli.bundle_file import bundle_for
    from defilev.cli.bundling import print_verified
    from defilev.pipeline.bundling import verify_bundle
    from defilev.pipeline.session import connect

    path, bundle = bundle_for(given, folder=folder)
    run = run_of(ctx)
    session = connect(run.load().values)
    try:
        with run.output.stage("verify"):
            verified = verify_bundle(session, bundle)
    finally:
        session.close()
    print_verified("defilev/safe-verify@1", verified, run.output, files=[path])
    run.output.next(f"defilev safe sign {path} --account NAME")


@app.command()
def sign(
    ctx: typer.Context,
    file: File,
    *,
    account: Account = None,
    keystore: Keystore = None,
    password_file: PasswordFile = None,
    confirm: Confirm = None,
    yes: Yes = False,
    out: Annotated[
        Path | None,
        typer.Option("-o", "--out", metavar="FILE", help="Where to write the signature."),
    ] = None,
) -> None:
    """Verify a bundle and sign it as one of the owners; the signature is written to a file, nothing is sent.

    Example: defilev safe sign bundle.json --account alice
    """
    from defilev.cli.safe_signing import Key, Signing

    run = run_of(ctx)
    Signing(run, file, Key(run, account, keystore, password_file, confirm, yes), out).sign()


@app.command()
def execute(
    ctx: typer.Context,
    file: File,
    *,
    signature: Annotated[
        list[Path] | None,
        typer.Option("--signature", metavar="FILE", help="An owner's signature; give one for each."),
    ] = None,
    broadcast: Annotated[bool, typer.Option("--broadcast", help="Send it.")] = False,
    account: Account = None,
    keystore: Keystore = None,
    password_file: PasswordFile = None,
    confirm: Confirm = None,
    yes: Yes = False,
) -> None:
    """Verify a bundle and try it with its owners' signatures; send it only with --broadcast.

    The keystore is of whoever sends and pays the gas: an owner, whose own signature is then not needed, or anybody.

    Example: defilev safe execute bundle.json --signature alice.sig.json --account bob
    """
    from defilev.cli.safe_signing import Executing, Key

    run = run_of(ctx)
    key = Key(run, account, keystore, password_file, confirm, yes)
    Executing(run, file, tuple(signature or ()), key, broadcast).execute()
