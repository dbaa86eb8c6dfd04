"""A bundle for a Safe's owners as lines for a terminal: who signs, what each call does, and the hashes to compare."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from defilev.model.bundle import Bundle, Part
from defilev.model.request import Address
from defilev.model.safe import DELEGATE_CALL, SafeAccount
from defilev.report import figures
from defilev.report.ink import Ink
from defilev.report.table import LABEL_WIDTH, Cell, flow, labelled

__all__ = ["bundle_text"]


def bundle_text(
    bundle: Bundle,
    safe: SafeAccount,
    *,
    words: Sequence[Sequence[str]],
    approved_by: Sequence[Sequence[Address]],
    confirmed_by: int,
    width: int,
    ink: Ink,
) -> str:
    """Return the bundle for a terminal of `width` columns, without a newline at its end.

    Args:
        words: by transaction what each call does, said from its bytes.
        approved_by: by transaction the owners whose approval is on the chain.
        confirmed_by: how many nodes said that the Safe computes the same hashes.
    """
    lines = [ink(f"bundle for the Safe {safe.address}", "strong")]
    for label, text in _facts(bundle, safe):
        lines += _wrapped(label, text, width=width, ink=ink)
    for place, part in enumerate(bundle.parts):
        lines += ["", *_part(bundle, part, place, words[place], width=width, ink=ink)]
        for label, text in _closing(part, approved_by[place]):
            lines += _wrapped(label, text, width=width, ink=ink)
    asked = f"{confirmed_by} node{'' if confirmed_by == 1 else 's'}"
    said = f"the Safe itself, asked of {asked}, computes the same; compare safeTxHash with what your signer shows"
    return "\n".join([*lines, *_wrapped("checked", said, width=width, ink=ink)])


def _facts(bundle: Bundle, safe: SafeAccount) -> Iterator[tuple[str, str]]:
    yield "version", f"Safe {safe.version}, implementation {safe.singleton}"
    yield "owners", f"{safe.threshold} of {len(safe.owners)} must sign: {' '.join(safe.owners)}"
    yield "modules", f"{' '.join(safe.modules)}: may act without any signature" if safe.modules else "none"
    yield "guard", f"{safe.guard}: is asked before every transaction" if safe.guard else "none"
    yield "expires", f"{figures.utc(bundle.expires_at)}; the Safe itself knows no expiry, so reject it after that"


def _part(bundle: Bundle, part: Part, place: int, words: Sequence[str], *, width: int, ink: Ink) -> list[str]:
    transaction = part.transaction
    number = f" {place + 1} of {len(bundle.parts)}" if len(bundle.parts) > 1 else ""
    how = "all or none through MultiSendCallOnly" if transaction.operation == DELEGATE_CALL else "one plain call to"
    calls = f"{len(words)} call{'' if len(words) == 1 else 's'}"
    heading = f"transaction{number} with nonce {transaction.nonce}: {calls}, {how} {transaction.to}"
    lines = flow([Cell(word, "strong") for word in heading.split(" ")], separator=" ", width=width, ink=ink)
    for index, text in enumerate(words, start=part.first_step):
        lines += _wrapped(f"{index}", figures.clean(text), width=width, ink=ink)
    return lines


def _closing(part: Part, approved: Sequence[Address]) -> Iterator[tuple[str, str]]:
    yield "domain hash", part.domain_hash
    yield "message hash", part.message_hash
    yield "safeTxHash", part.transaction_hash
    if approved:
        yield "approved by", " ".join(approved)


def _wrapped(label: str, text: str, *, width: int, ink: Ink) -> list[str]:
    words = [Cell(word) for word in text.split(" ")]
    return labelled(label, flow(words, separator=" ", width=width - LABEL_WIDTH - 2, ink=ink))
