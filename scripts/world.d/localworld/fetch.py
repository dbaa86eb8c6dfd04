"""Fetch the pinned packages with the user's own npm and pip, check every hash, unpack. Installs nothing."""

import base64
import hashlib
import shutil
import subprocess
import sys
import tarfile
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path, PurePosixPath

from localworld.errors import WorldError
from localworld.layout import complete_folder, ensure_cache, file_lock
from localworld.pins import NpmPin, PypiPin, anvil_pin, npm_pins, pypi_pins, safe_pin, tool_pin

PARALLEL = 6
ANVIL = ("bin", "anvil")
CAST = ("bin", "cast")
FORGE = ("bin", "forge")
DEADLINE = 300
NPM_OPTIONS = (
    "--loglevel=error",
    "--ignore-scripts",
    "--fetch-retries=2",
    "--fetch-retry-mintimeout=1000",
    "--fetch-retry-maxtimeout=4000",
)


def fetch_all() -> None:
    """Fetch every package this platform needs; what is there already costs nothing."""
    missing = [pin for pin in npm_pins() if not pin.folder.is_dir()]
    wheels = [pin for pin in pypi_pins() if not pin.folder.is_dir()]
    if not missing and not wheels:
        return
    cache = ensure_cache()
    with file_lock(cache / "packages.lock"), ThreadPoolExecutor(PARALLEL) as pool:
        jobs = [pool.submit(_fetch_npm, pin) for pin in missing]
        jobs += [pool.submit(_fetch_wheel, pin) for pin in wheels]
        for job in jobs:
            job.result()


def anvil_binary() -> Path:
    """The anvil of this platform, fetched when it is missing."""
    return _binary(anvil_pin(), ANVIL)


def cast_binary() -> Path:
    """The cast of this platform, fetched when it is missing."""
    return _binary(tool_pin("cast"), CAST)


def forge_binary() -> Path:
    """The forge of this platform, fetched when it is missing."""
    return _binary(tool_pin("forge"), FORGE)


def safe_artifacts() -> Path:
    """The compiled contracts of a Safe, fetched when they are missing."""
    pin = safe_pin()
    with file_lock(ensure_cache() / "packages.lock"):
        _fetch_npm(pin)
    return pin.folder / "build" / "artifacts" / "contracts"


def _binary(pin: NpmPin, place: tuple[str, str]) -> Path:
    binary = pin.folder.joinpath(*place)
    if not binary.is_file():
        with file_lock(ensure_cache() / "packages.lock"):
            _fetch_npm(pin)
    return binary


def _fetch_npm(pin: NpmPin) -> None:
    if pin.folder.is_dir():
        return
    if shutil.which("npm") is None:
        raise WorldError("npm was not found", fix="install Node.js 20 or newer, which brings npm")
    pin.folder.parent.mkdir(parents=True, exist_ok=True)
    with complete_folder(pin.folder) as scratch:
        wanted = f"{pin.name}@{pin.version}"
        _run(["npm", "pack", wanted, *NPM_OPTIONS], cwd=scratch, wanted=wanted)
        tarball = _only_file(scratch, "*.tgz", wanted)
        found = "sha512-" + base64.b64encode(hashlib.sha512(tarball.read_bytes()).digest()).decode()
        _check_hash(wanted, expected=pin.integrity, found=found)
        _unpack(tarball, scratch)


def _unpack(tarball: Path, folder: Path) -> None:
    """Write the regular files of npm's `package/` into the folder; nothing may point outside it."""
    with tarfile.open(tarball) as archive:
        for member in archive:
            content = archive.extractfile(member) if member.isfile() else None
            inner = PurePosixPath(member.name).parts[1:]
            if content is None or not inner or ".." in inner:
                continue
            target = folder.joinpath(*inner)
            target.parent.mkdir(parents=True, exist_ok=True)
            target.write_bytes(content.read())
            target.chmod(0o755 if inner in (ANVIL, CAST, FORGE) else 0o644)
    tarball.unlink()


def _fetch_wheel(pin: PypiPin) -> None:
    if pin.folder.is_dir():
        return
    pin.folder.parent.mkdir(parents=True, exist_ok=True)
    with complete_folder(pin.folder) as scratch:
        wanted = f"{pin.name}=={pin.version}"
        pip = [sys.executable, "-m", "pip", "--disable-pip-version-check", "download", "--quiet"]
        _run([*pip, "--no-deps", "--only-binary", ":all:", wanted], cwd=scratch, wanted=wanted)
        wheel = _only_file(scratch, "*.whl", wanted)
        _check_hash(wanted, expected=pin.sha256, found=hashlib.sha256(wheel.read_bytes()).hexdigest())


def _run(command: Sequence[str], *, cwd: Path, wanted: str) -> None:
    try:
        done = subprocess.run(command, cwd=cwd, capture_output=True, text=True, timeout=DEADLINE, check=False)
    except subprocess.TimeoutExpired as late:
        fix = "check the network and the proxy settings, then run it again"
        raise WorldError(f"{wanted} was not downloaded within {DEADLINE} s", fix=fix) from late
    if done.returncode != 0:
        lines = [line.strip() for line in (done.stderr or done.stdout).splitlines()]
        said = "; ".join([line for line in lines if line and "warn" not in line.lower()][:3]) or "no reason given"
        fix = f"check the network and the package manager's settings, then try `{' '.join(command)}` yourself"
        raise WorldError(f"{wanted} could not be downloaded: {said}", fix=fix)


def _only_file(folder: Path, pattern: str, wanted: str) -> Path:
    files = list(folder.glob(pattern))
    if len(files) != 1:
        fix = "run it again; if it persists, clear the package manager's own cache"
        raise WorldError(f"{wanted} gave {len(files)} files instead of one", fix=fix)
    return files[0]


def _check_hash(wanted: str, *, expected: str, found: str) -> None:
    if found != expected:
        raise WorldError(
            f"{wanted} is not the pinned package: expected {expected}, got {found}",
            fix="do not use it; clear the package manager's cache, and ask where the package comes from",
        )
