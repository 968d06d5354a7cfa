"""Does a model fit a target: flash and RAM of its image, and what one inference takes."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from edgeq.analysis.account import Account, account_for, for_target, image_account
from edgeq.analysis.budget import within_budgets
from edgeq.analysis.limits import LimitCheck, memory_checks
from edgeq.boards.target import Target, load_target
from edgeq.compiler.options import CompileOptions
from edgeq.devices.base import Memory
from edgeq.errors import EdgeqError
from edgeq.support.progress import track
from edgeq.support.result import Result

_ADVICE = {
    "flash": "--optimize size, --scheme int4, or edgeq compress prune or factorize",
    "stack": "a board with more RAM: the stack has what the other data leave",
    "RAM": "--optimize ram, or a smaller input or fewer channels in the layers that hold "
    "the peak (edgeq inspect)",
}


@dataclass(frozen=True, repr=False)
class Fit(Result):
    """Whether a target holds a model, and how closely.

    Attributes:
        target: Name of the target.
        account: What the program takes there.
        fits: Whether all checks are met.
        checks: Each memory of the target, less what its usual system takes where the image is not
            known; empty where its memory is unknown or plentiful.
        flash_margin_bytes, ram_margin_bytes: What is left over; negative is missing; None without
            a limit.
        advice: What would make it fit, a line for each check that is not met.
        error: Why nothing is known; empty otherwise.
    """

    target: str
    account: Account | None
    fits: bool
    checks: tuple[LimitCheck, ...] = ()
    flash_margin_bytes: int | None = None
    ram_margin_bytes: int | None = None
    advice: tuple[str, ...] = ()
    error: str = ""

    @property
    def unknown(self) -> bool:
        """Whether only a build can tell."""
        return self.account is not None and not self.fits and not self.checks

    @property
    def on(self) -> str:
        """Where it was seen at work: the target's own core, or the one nearest to it."""
        return "" if self.account is None else self.account.on

    @property
    def memory_bytes(self) -> Memory:
        """What the model's program takes, without start-up code and harness."""
        return Memory() if self.account is None else self.account.memory

    @property
    def latency_ms(self) -> float | None:
        """Of one inference, at the clock that the target's project runs at; None if unknown."""
        return None if self.account is None else self.account.latency_ms.value

    def to_json(self) -> dict[str, Any]:
        """The fit as plain values, the account's figures with their kinds and provenance."""
        account = {} if self.account is None else self.account.to_json()
        return {
            "target": self.target,
            "on": self.on,
            "fits": self.fits,
            "memory_bytes": self.memory_bytes,
            "latency_ms": self.latency_ms,
            **account,
            "checks": list(self.checks),
            "flash_margin_bytes": self.flash_margin_bytes,
            "ram_margin_bytes": self.ram_margin_bytes,
            "advice": list(self.advice),
            "error": self.error,
        }


def fit(
    model: str | Path,
    target: str | Path | Target,
    options: CompileOptions | None = None,
    *,
    golden: bool = True,
) -> Fit:
    """Whether the generated C of an integer model fits a target's flash and RAM.

    Args:
        model: An integer .tflite file.
        target: Name of a target, or a target file.
        options: What the C is made for; budgets choose its form.
        golden: Whether the image has known answers for a self-test, as projects have by default.

    Raises:
        EdgeqError: There is no generated C for this model, or no such target.
        LimitError: No form of the program keeps to the budgets.
    """
    loaded = load_target(target)
    chosen = within_budgets(Path(model), loaded, options or CompileOptions())
    account = account_for(model, loaded, chosen, golden=golden)
    return _judge(loaded, account, chosen.accept_stand_in)


def fit_tflm(model: str | Path, target: str | Target, *, kernels: str = "cmsis-nn") -> Fit:
    """As `fit`, with TensorFlow Lite Micro; before a build it can only say what is too much.

    Args:
        model: An integer .tflite file.
        target: Name of a target, or a target file.
        kernels: "reference" or "cmsis-nn".

    Raises:
        EdgeqError: The `tflite-micro` package is missing, or has no kernel for this model.
    """
    from edgeq.analysis.tflm_account import UNTIL_BUILT, tflm_account

    loaded = load_target(target)
    account = tflm_account(model, loaded, kernels=kernels)
    memory = account.memory
    needed = (
        ("flash bytes", memory.flash_const or 0, loaded.flash_bytes, account.parts[0].flash),
        ("RAM bytes", (memory.arena or 0) + (memory.static or 0), loaded.largest_ram_bytes,
         account.figures["memory_bytes.arena"]),
    )  # fmt: skip
    misses = tuple(
        LimitCheck(name, limit, least, False, loaded.name, found.kind, "without code and stack")
        for name, least, limit, found in needed
        if limit is not None and found is not None and least > limit
    )
    error = "" if misses else f"whether it fits is not known before it is linked: {UNTIL_BUILT}"
    advice = tuple(_advice(check) for check in misses)
    return Fit(loaded.name, account, fits=False, checks=misses, advice=advice, error=error)


def fits(
    model: str | Path,
    targets: Iterable[Target],
    options: CompileOptions | None = None,
    *,
    golden: bool = True,
) -> list[Fit]:
    """As `fit`, for many targets; the program is seen at work once for each kind of core.

    Hosts are left out, since memory is no question there. A target that cannot be judged does not
    hold up the others: its row says why.
    """
    options = options or CompileOptions()
    seen: dict[object, tuple[CompileOptions, Account] | EdgeqError] = {}
    found = []
    for target in track(list(targets), "holding against boards"):
        if target.kind == "host":
            continue
        core = (target.cpu, target.isa, target.memory_timing)
        if core not in seen:
            try:
                chosen = within_budgets(Path(model), target, options)
                seen[core] = chosen, account_for(model, target, chosen)
            except EdgeqError as error:
                seen[core] = error
        first = seen[core]
        try:
            if isinstance(first, EdgeqError):
                raise first
            image = image_account(model, target, first[0], golden=golden)
            account = replace(for_target(first[1], target), image=image)
        except EdgeqError as error:
            found.append(Fit(target.name, None, fits=False, error=error.what))
            continue
        found.append(_judge(target, account, options.accept_stand_in))
    return found


def _judge(target: Target, account: Account, accept_stand_in: bool) -> Fit:
    checks = memory_checks(target, account, accept_stand_in=accept_stand_in)
    return Fit(
        target=target.name,
        account=account,
        fits=all(check.met for check in checks),
        checks=checks,
        flash_margin_bytes=_margin(checks, "flash"),
        ram_margin_bytes=_margin(checks, "RAM"),
        advice=tuple(_advice(check) for check in checks if not check.met),
    )


def _margin(checks: Iterable[LimitCheck], memory: str) -> int | None:
    """What is left of the memory of a kind that has least left."""
    left = [int(c.limit - (c.value or 0)) for c in checks if c.name.startswith(memory)]
    return min(left, default=None)


def _advice(check: LimitCheck) -> str:
    taken = check.value or 0
    if taken <= check.limit:
        return f"the {check.name} of another core show nothing: --accept-stand-in lets them count"
    missing = taken - check.limit
    memory = check.name.partition(" ")[0]
    return (
        f"{missing:,.0f} {check.name} too few ({missing / max(taken, 1):.0%} of what it takes): "
        f"{_ADVICE[memory]}"
    )
