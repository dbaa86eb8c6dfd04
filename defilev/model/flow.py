"""What every value that passes between rooms can do: be written as JSON, with the version of its schema, and back."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import replace
from typing import Any, ClassVar, Self

from defilev.errors import UsageError
from defilev.model.codec import from_document, parse_json, to_document

__all__ = ["FlowValue", "StatefulValue"]


class FlowValue:
    """A frozen dataclass with a document; `SCHEMA` is the document's, as `defilev/plan@1`."""

    __slots__ = ()
    SCHEMA: ClassVar[str]

    def to_document(self) -> dict[str, Any]:
        """Return the value as plain JSON data with its schema; integers and decimals are strings."""
        return {"schema": self.SCHEMA, **to_document(self)}

    def to_json(self) -> str:
        """Return the value as JSON text; `from_json` gives an equal value back."""
        return json.dumps(self.to_document(), ensure_ascii=False, allow_nan=False)

    @classmethod
    def from_document(cls, document: Any) -> Self:
        """Return the value that `document` describes.

        Raises:
            UsageError: another schema, or a field that is missing or wrong.
        """
        return from_document(cls, without_schema(document, cls.SCHEMA))

    @classmethod
    def from_json(cls, text: str | bytes) -> Self:
        """Return the value that `text` describes; raises `UsageError` for what is no JSON, and as `from_document`."""
        try:
            document = parse_json(text)
        except ValueError:
            raise UsageError(f"not a {cls.SCHEMA} document: it is not JSON", fix="make the file again") from None
        return cls.from_document(document)


class StatefulValue(FlowValue):
    """An account of a market: a document of which one field, `state`, is its protocol's own."""

    __slots__ = ()
    market: str
    market_label: str
    state: Any

    @classmethod
    def from_document(cls, document: Any, *, state_type: type | None = None) -> Self:
        """Return the account that `document` describes; see `FlowValue.from_document`.

        Args:
            document: plain JSON data.
            state_type: what the account's protocol keeps as `state`. When left out the state stays plain data: such an
                account has all its figures, and can neither be planned for nor taken as linear forms.
        """
        account = super().from_document(document)
        return account if state_type is None else replace(account, state=from_document(state_type, account.state))  # type: ignore[type-var]

    @property
    def market_name(self) -> str:
        """What people call the market."""
        return self.market_label or self.market


def without_schema(document: Any, schema: str) -> dict[str, Any]:
    """Return the fields of a document of that `schema`; raises `UsageError` for any other."""
    if not isinstance(document, Mapping) or document.get("schema") != schema:
        found = document.get("schema") if isinstance(document, Mapping) else type(document).__name__
        raise UsageError(f"not a {schema} document", fix="give one that this version has written", schema=found)
    return {name: value for name, value in document.items() if name != "schema"}
