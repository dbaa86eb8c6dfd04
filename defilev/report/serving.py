"""Metrics where Prometheus finds them: on an HTTP port, or in a file for its node exporter."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

from defilev.errors import ConfigurationError, ExtraMissing, UsageError

if TYPE_CHECKING:
    from prometheus_client import CollectorRegistry

__all__ = ["parse_address", "serving", "write_metrics"]

LOOPBACK = "127.0.0.1"


def parse_address(text: str, *, what: str = "--metrics") -> tuple[str, int]:
    """Return the address and the port that `text` says; a bare port is on this machine only.

    Raises:
        UsageError: it is not one.
    """
    host, _, port = text.strip().rpartition(":")
    if not (port.isascii() and port.isdigit() and int(port) < 65_536):
        raise UsageError(f"{what} {text!r} is not an address and a port", fix=f"write {what} {LOOPBACK}:9464")
    return host.strip("[]") or LOOPBACK, int(port)


@contextmanager
def serving(collector: Any, address: tuple[str, int]) -> Iterator[int]:
    """Serve what `collector` collects while the block runs; yield the port, a free one where 0 was asked for.

    Raises:
        ExtraMissing: the Prometheus client is not installed.
        ConfigurationError: nothing can listen there.
    """
    registry = _registry(collector)
    from prometheus_client import start_http_server

    host, port = address
    try:
        server, thread = start_http_server(port, host, registry)
    except OSError as error:
        raise ConfigurationError(
            f"metrics cannot be served at {host}:{port}: {error.strerror or error}", fix="give another ADDR:PORT"
        ) from None
    try:
        yield server.server_port
    finally:
        server.shutdown()
        server.server_close()
        thread.join()


def write_metrics(collector: Any, path: Path) -> None:
    """Write what `collector` collects to a file that appears whole, or not at all.

    Raises:
        ExtraMissing: the Prometheus client is not installed.
        ConfigurationError: it cannot be written.
    """
    registry = _registry(collector)
    from prometheus_client import write_to_textfile

    try:
        write_to_textfile(str(path), registry)
    except OSError as error:
        raise ConfigurationError(
            f"metrics cannot be written to {path}: {error.strerror or error}", fix="name a file in a folder that exists"
        ) from None


def _registry(collector: Any) -> CollectorRegistry:
    try:
        from prometheus_client import CollectorRegistry
    except ModuleNotFoundError:
        raise ExtraMissing("metrics need the Prometheus client", fix="pip install 'defilev[metrics]'") from None
    registry = CollectorRegistry(auto_describe=False)
    registry.register(collector)
    return registry
