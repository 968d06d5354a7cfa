"""What a damage of a data set is, and what may come of it."""

from collections.abc import Callable
from dataclasses import dataclass

# What may come of a damage: the right figure and nothing else; the right figure or an error;
# or, where no container could notice, any figure (but never a traceback).
HARMLESS, SEEN, NOT_TO_BE_SEEN = "harmless", "seen", "not to be seen"


class NotPossible(Exception):
    """The damage does not go with this data set."""


@dataclass(frozen=True)
class Damage:
    """One way; `apply` changes files and gives what may come of it."""

    name: str
    apply: Callable
