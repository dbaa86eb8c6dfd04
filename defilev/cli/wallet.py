"""`defilev wallet`: keys in encrypted keystores. Takes no key from arguments or the environment, and shows none."""

from __future__ import annotations

import os
import sys
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from defilev.cli.context import load, options, output
from defilev.errors import UsageError

if TYPE_CHECKING:
    from defilev.execute.keystore import KeystoreEntry
    from defilev.execute.secret import Secret
    from defilev.report.table import Cell

__all__ = ["app"]

Name = Annotated[str, typer.Argument(metavar="NAME", help="What the keystore is called.", show_default=False)]
KeystoreDir = Annotated[
    Path | None, typer.Option("--keystore-dir", metavar="DIR", help="The folder of keystores, in place of yours.")
]
PasswordFile = Annotated[
    Path | None,
    typer.Option(
        "--password-file", metavar="FILE", help="A file of mode 0600 with the password, in place of a prompt."
    ),
]

app = typer.Typer(help="Keys: made, imported and listed; kept in encrypted keystores (version 3).")


@app.command()
def new(
    ctx: typer.Context, name: Name, *, keystore_dir: KeystoreDir = None, password_file: PasswordFile = None
) -> None:
    """Make a new random key."""
    from defilev.execute.keystore import create_keystore, free_path
    from defilev.execute.password import new_password

    folder = _own_folder(ctx, keystore_dir)
    free_path(folder, name)
    password = new_password(password_file=password_file, prompt=_prompt(ctx))
    with output(ctx).stage("encrypting"):
        made = create_keystore(folder, name, password=password)
    _written(ctx, "wallet-new", made)
    output(ctx).note("there is no other copy of this key: back up the file, and remember the password")


@app.command("import")
def import_(
    ctx: typer.Context, name: Name, *, keystore_dir: KeystoreDir = None, password_file: PasswordFile = None
) -> None:
    """Keep an existing private key: typed unseen, or piped in as one line."""
    from defilev.execute.keystore import free_path, import_keystore
    from defilev.execute.password import new_password
    from defilev.execute.public_keys import PUBLIC_TEST_ACCOUNTS

    folder = _own_folder(ctx, keystore_dir)
    free_path(folder, name)
    key = _private_key(ctx)
    password = new_password(password_file=password_file, prompt=_prompt(ctx))
    with output(ctx).stage("encrypting"):
        made = import_keystore(folder, name, private_key=key, password=password)
    _written(ctx, "wallet-import", made)
    if made.address in PUBLIC_TEST_ACCOUNTS:
        output(ctx).warning("everybody knows this key: it signs on a local anvil only, and must never hold anything")


@app.command("ls")
def list_(ctx: typer.Context, *, keystore_dir: KeystoreDir = None) -> None:
    """List your keystores and foundry's."""
    from defilev.execute.keystore import list_keystores

    folders = (keystore_dir,) if keystore_dir else _folders(ctx)
    found = [entry for folder in folders for entry in list_keystores(folder)]
    out = output(ctx)
    if out.json:
        entries = [_document(entry) | {"problem": entry.problem} for entry in found]
        out.document({"schema": "defilev/wallet-ls@1", "keystores": entries})
        return
    if not found:
        out.result(f"no keystores in {' or '.join(_short(folder) for folder in folders)}")
        out.next("defilev wallet new NAME")
        return
    for line in _listing(found, width=out.width, ink=out.ink):
        out.result(line)


@app.command()
def address(
    ctx: typer.Context, name: Name, *, keystore_dir: KeystoreDir = None, password_file: PasswordFile = None
) -> None:
    """Print the address of a keystore; one that holds none, as foundry's, is opened to find out."""
    from defilev.execute.keystore import address_of, find_keystore, keystore_at, open_keystore

    path = find_keystore(name, (keystore_dir,) if keystore_dir else _folders(ctx))
    found = keystore_at(path).address or address_of(open_keystore(path, password=_password(ctx, password_file)))
    out = output(ctx)
    if out.json:
        out.document({"schema": "defilev/wallet-address@1", "name": name, "address": found, "path": str(path)})
        return
    out.result(found)


def _private_key(ctx: typer.Context) -> Secret:
    from defilev.execute.keystore import parse_private_key
    from defilev.execute.password import hidden_prompt

    if not sys.stdin.isatty():
        return parse_private_key(sys.stdin.readline())
    if options(ctx).no_input:
        raise UsageError("a private key is needed, and nobody may be asked", fix="pipe it in as one line")
    return parse_private_key(hidden_prompt("private key (not shown): "))


def _password(ctx: typer.Context, password_file: Path | None) -> Secret:
    from defilev.execute.password import obtain_password

    credentials = os.environ.get("CREDENTIALS_DIRECTORY")
    return obtain_password(
        password_file=password_file,
        credentials_directory=Path(credentials) if credentials else None,
        prompt=_prompt(ctx),
    )


def _prompt(ctx: typer.Context) -> Callable[[str], str] | None:
    from defilev.execute.password import hidden_prompt

    return None if options(ctx).no_input else hidden_prompt


def _own_folder(ctx: typer.Context, keystore_dir: Path | None) -> Path:
    return keystore_dir or load(ctx).values.keystore_dir


def _folders(ctx: typer.Context) -> tuple[Path, ...]:
    return load(ctx).values.keystore_dir, Path.home() / ".foundry" / "keystores"


def _written(ctx: typer.Context, command: str, made: KeystoreEntry) -> None:
    out = output(ctx)
    if out.json:
        out.document({"schema": f"defilev/{command}@1", **_document(made)})
        return
    out.result(f"{made.name}  {made.address}  {_short(made.path)}")
    out.next(f"defilev health {made.address}")


def _document(entry: KeystoreEntry) -> dict[str, Any]:
    return {"name": entry.name, "address": entry.address, "path": str(entry.path)}


def _listing(found: list[KeystoreEntry], *, width: int, ink: Any) -> list[str]:
    from defilev.report.table import Cell, Column, table

    rows: list[list[Cell]] = [
        [Cell(entry.name), Cell(_address(entry)), Cell(_short(entry.path)), Cell(_use(entry))] for entry in found
    ]
    columns = [Column("NAME"), Column("ADDRESS"), Column("WHERE"), Column("USED FOR")]
    return table(columns, rows, width=width, ink=ink)


def _address(entry: KeystoreEntry) -> str:
    if entry.problem:
        return "—"
    return entry.address or "(locked: it holds no address)"


def _use(entry: KeystoreEntry) -> str:
    return f"nothing: {entry.problem}" if entry.problem else "signing"


def _short(path: Path) -> str:
    home = Path.home()
    return f"~/{path.relative_to(home)}" if path.is_relative_to(home) else str(path)
