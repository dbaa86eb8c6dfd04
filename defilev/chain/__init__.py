"""Bytes: a validated JSON-RPC transport, reads pinned to a block, anvil processes. Knows no protocol, no settings."""
