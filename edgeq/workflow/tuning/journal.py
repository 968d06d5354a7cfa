"""The trials so far, on disk: one line of JSON each, so that a search can be taken up again."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any

from edgeq.errors import EdgeqError
from edgeq.support.foreign import parse_json, read_bytes, shaped_as
from edgeq.support.output import check_writable, write_whole
from edgeq.workflow.tuning.trial import Trial

JOURNAL, RESULT, BEST = "journal.jsonl", "tune.json", "best.tflite"


def is_ours(folder: Path, inputs: tuple[Any, ...], *, force: bool) -> bool:
    """Whether what lies in the place of the results is an earlier search's, and may be replaced.

    Raises:
        EdgeqError: It is something else, and `force` is not given; or as `check_writable`.
    """
    for name in (RESULT, BEST, JOURNAL):
        check_writable(folder / name, force=True, inputs=inputs)
    ours = force or all((folder / name).exists() for name in (JOURNAL, RESULT))
    for name in (RESULT, BEST):
        check_writable(folder / name, force=ours)
    return ours


class Journal:
    """Finished trials by candidate, appended to a file as they come in."""

    def __init__(self, path: Path, problem: dict[str, Any], *, fresh: bool = False) -> None:
        """Open a journal, or start one.

        Trials of variants that are not in the problem stay in the file and are not taken.

        Args:
            path: The file; its first line says what is searched for.
            problem: What is searched for, JSON types; a journal of something else is refused.
            fresh: Whether a journal that is there gives way, once there is a first trial to keep.

        Raises:
            EdgeqError: The file belongs to another search.
        """
        self.trials: dict[str, Trial] = {}
        self._path = path
        self._first: dict[str, Any] | None = None
        if fresh and path.exists():
            self._first = problem
        elif path.exists():
            self._read(problem)
        else:
            path.parent.mkdir(parents=True, exist_ok=True)
            try:
                self._append(problem, "x")
            except FileExistsError:
                raise EdgeqError(
                    "Another search has begun in this folder.", str(path), "choose another --output"
                ) from None

    def add(self, trial: Trial) -> None:
        """Keep a trial; it is on disk when this returns."""
        self.trials[trial.candidate.key] = trial
        if self._first is not None:
            write_whole(self._path, json.dumps(self._first) + "\n")
            self._first = None
        self._append(trial.to_json())

    def _append(self, entry: dict[str, Any], mode: str = "a") -> None:
        with self._path.open(mode) as file:
            file.write(json.dumps(entry) + "\n")
            file.flush()
            os.fsync(file.fileno())

    def _read(self, problem: dict[str, Any]) -> None:
        text = read_bytes(self._path, "journal").decode("utf-8", "replace")
        # What stands behind the last line was being written when the search was interrupted.
        *whole, rest = text.split("\n")
        if rest:
            write_whole(self._path, "".join(f"{line}\n" for line in whole))
        if not whole:  # it was interrupted before there was anything in it
            self._append(problem)
            return
        with shaped_as("journal of a search", str(self._path), "choose another --output"):
            stored, *entries = [parse_json(line, str(self._path)) for line in whole]
            trials = [Trial.from_json(entry) for entry in entries]
            changed = _changed(stored, problem)
        if changed:
            raise EdgeqError(
                f"This journal belongs to another search: {', '.join(changed)} differ.",
                str(self._path),
                "choose another --output, or --force to begin anew",
            )
        self._complete(stored, problem, whole[1:])
        # What was trained with data that is not given this time cannot be made again.
        self.trials = {
            trial.candidate.key: trial
            for trial in trials
            if trial.candidate.variant in {"plain", *problem.get("variants", {})}
        }

    def _complete(
        self, stored: dict[str, Any], problem: dict[str, Any], entries: list[str]
    ) -> None:
        """Let the first line know the variants that have come, as those of before."""
        both = {**stored.get("variants", {}), **problem.get("variants", {})}
        if both != stored.get("variants", {}):
            first = json.dumps({**problem, "variants": both})
            write_whole(self._path, "".join(f"{line}\n" for line in (first, *entries)))


def _changed(stored: dict[str, Any], problem: dict[str, Any]) -> list[str]:
    """What the two searches do not have in common; variants may be more than they were."""
    before = stored.get("variants", {})
    variants = [
        f"the variant {name}"
        for name, digest in problem.get("variants", {}).items()
        if before.get(name, digest) != digest
    ]
    names = (name for name in problem if name != "variants")
    return [name for name in names if stored.get(name) != problem[name]] + variants
