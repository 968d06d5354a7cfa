"""The type of all numpy arrays whose element type is known only when edgeq runs."""

from __future__ import annotations

from typing import Any

from numpy.typing import NDArray

Array = NDArray[Any]
