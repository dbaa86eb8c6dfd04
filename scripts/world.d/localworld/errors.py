"""The one error a user of the world sees: what is wrong, and what to do about it."""


class WorldError(Exception):
    """A fact in one sentence, and the `fix:` line that goes with it."""

    def __init__(self, fact: str, *, fix: str) -> None:
        super().__init__(fact)
        self.fact = fact
        self.fix = fix
