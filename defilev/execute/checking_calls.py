"""Holds the calls of one transaction against the rules, and against what its step says that they do."""

from __future__ import annotations

import re

from defilev.execute.checks import Bounds, Check, DecodedCall
from defilev.execute.denying import deny, equal, require
from defilev.execute.rules import checks, decode_call, same_action
from defilev.execute.safe_policy import calls_of_step
from defilev.model.plan import Action, Execute, Step
from defilev.model.safe import SafeAccount, SafeCall
from defilev.plan.bundling import call_of

__all__ = ["checked_calls"]

_CALLDATA = re.compile(r"0x(?:[0-9a-f]{2})+")


def checked_calls(step: Step, bounds: Bounds, safe: SafeAccount | None, place: int) -> list[DecodedCall]:
    """Return what a transaction does: one call, or those that a Safe is made to make."""
    action = step.action
    if isinstance(action, Execute):
        require(equal("value", step.value, 0), step)
        made = calls_of_step(step, action, safe=safe, nonce=place + (safe.nonce if safe else 0))
        require(equal("calls of the Safe", len(made), len(action.actions)), step)
        return [_checked(call, each, step, bounds) for call, each in zip(made, action.actions, strict=True)]
    require(equal("Safe", None, safe), step)
    call = _checked(call_of(step), action, step, bounds)
    said = tuple((name, str(value)) for name, value in call.arguments.items())
    require(equal("function", step.function, call.function), step)
    require(Check("arguments", step.arguments == said, step.arguments, said), step)
    return [call]


def _checked(made: SafeCall, action: Action, step: Step, bounds: Bounds) -> DecodedCall:
    require(equal("value", made.value, 0), step)
    if not _CALLDATA.fullmatch(made.data):
        deny(step, "calldata", made.data[:80], "0x and lower-case hex digits, two for each byte")
    try:
        call = decode_call(made.to, bytes.fromhex(made.data[2:]), bounds)
        outcomes = list(checks(call, bounds))
    except ValueError as error:
        deny(step, "call", str(error), "a call of the policy's table")
    for check in outcomes:
        require(check, step)
    said = tuple((name, str(value)) for name, value in call.arguments.items())
    matches = same_action(call, action, bounds)
    require(Check("declared action", matches, action.kind, f"what the bytes do: {call.function}{said}"), step)
    return call
