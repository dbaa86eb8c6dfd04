"""What can go wrong in the signer. No message holds a key or a password."""

from __future__ import annotations

__all__ = ["Denied", "SignerError", "Unusable"]


class SignerError(Exception):
    """A failure with one sentence of fact and one instruction."""

    def __init__(self, fact: str, *, fix: str) -> None:
        super().__init__(fact)
        self.fact = fact
        self.fix = fix


class Unusable(SignerError):
    """The signer cannot start: its policy, keystore, state or socket is not usable."""


class Denied(SignerError):
    """A rule forbids what was asked for: its name, what was found, and what would be allowed."""

    def __init__(self, rule: str, *, found: object, allowed: object) -> None:
        super().__init__(f"{rule}: found {found}, allowed {allowed}", fix="nothing was signed; make a new plan")
        self.rule = rule
        self.found = str(found)
        self.allowed = str(allowed)
