"""The names of the laws, the error that says which is broken, and the count of what was checked."""

from __future__ import annotations

from dataclasses import dataclass, field

__all__ = ["LAWS", "LawReport", "LawViolation"]

LAWS = (
    "completeness",
    "independence",
    "fragmentation",
    "order",
    "eagerness",
    "cost",
    "memory",
    "cleanup",
    "errors",
    "twins",
)


class LawViolation(AssertionError):
    """A law does not hold; ``law`` is its name, the message shows the input."""

    def __init__(self, law: str, message: str) -> None:
        super().__init__(f"{law}: {message}")
        self.law = law


@dataclass
class LawReport:
    """How much was checked: the number of comparisons for each law."""

    checked: dict[str, int] = field(default_factory=lambda: dict.fromkeys(LAWS, 0))

    @property
    def total(self) -> int:
        return sum(self.checked.values())
