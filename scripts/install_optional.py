"""Install packages that may not exist for this Python or platform; say so and go on if not."""

from __future__ import annotations

import subprocess
import sys


def main(names: list[str]) -> None:
    for name in names:
        command = [sys.executable, "-m", "pip", "install", "--quiet", "--pre"]
        command += ["--disable-pip-version-check", name]
        if subprocess.run(command, check=False, capture_output=True).returncode:
            print(f"{name} is not available here; what needs it is left out.")


if __name__ == "__main__":
    main(sys.argv[1:])
