"""Is this commit fit to be released? `make release-check` builds it and installs it as users do.

What is checked: version, changelog and tag agree; the wheel and the sdist hold every file that git
knows of them; both install into clean environments of each Python from 3.10 to 3.13 that this
machine has, and there convert, compile and run a model. dist/ then holds wheel, sdist and the list
of everything that an installation brings along, with versions and licences (CycloneDX).

python scripts/release_check.py --pythons python3.11    only with this one
"""

from __future__ import annotations

import argparse
import re
import shutil
import subprocess
import sys
import tarfile
import tempfile
import zipfile
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
DIST = ROOT / "dist"
PYTHONS = ("python3.10", "python3.11", "python3.12", "python3.13")
# In the wheel under edgeq/, in the repository beside it.
DATA = ("targets", "firmware_templates")


def said(*command: str | Path, **options: object) -> str:
    """What a command prints; its failure ends the check with what it said."""
    done = subprocess.run(
        [str(part) for part in command], capture_output=True, text=True, check=False, **options
    )
    if done.returncode:
        sys.exit(f"{' '.join(map(str, command))}\n{done.stdout}{done.stderr}")
    return done.stdout


def interpreter(name: str) -> str | None:
    """An interpreter of this name that starts: of the path, or one that pyenv keeps beside it."""
    kept = Path.home().glob(f".pyenv/versions/{name.removeprefix('python')}.*/bin/{name}")
    for candidate in (name, *map(str, kept)):
        if shutil.which(candidate):
            done = subprocess.run([candidate, "-c", ""], capture_output=True, check=False)
            if done.returncode == 0:
                return candidate
    return None


def check_version() -> str:
    """The version that package, changelog and tag agree on."""
    project = re.search(r'^version = "(.+)"', (ROOT / "pyproject.toml").read_text(), re.MULTILINE)
    package = re.search(r'__version__ = "(.+)"', (ROOT / "edgeq" / "__init__.py").read_text())
    headings = re.findall(r"^## \[(.+?)\]", (ROOT / "CHANGELOG.md").read_text(), re.MULTILINE)
    if project is None or package is None or project[1] != package[1]:
        sys.exit("pyproject.toml and edgeq/__init__.py differ in the version.")
    version = project[1]
    tags = said("git", "tag", "--points-at", "HEAD", "--list", "v*", cwd=ROOT).split()
    if tags and tags != [f"v{version}"]:
        sys.exit(f"This commit is tagged {', '.join(tags)}, but its version is {version}.")
    if tags and version not in headings:
        sys.exit(f"{tags[0]}: CHANGELOG.md has no heading [{version}].")
    if not tags and "Unreleased" not in headings:
        sys.exit("CHANGELOG.md has no heading [Unreleased], and this commit bears no tag.")
    print(f"version {version}: {'tagged ' + tags[0] if tags else 'not tagged, changelog is open'}")
    return version


def build() -> tuple[Path, Path]:
    """The wheel and the sdist, in dist/."""
    shutil.rmtree(DIST, ignore_errors=True)
    said(sys.executable, "-m", "build", "--outdir", DIST, ROOT)
    return next(DIST.glob("*.whl")), next(DIST.glob("*.tar.gz"))


def check_contents(wheel: Path, sdist: Path) -> None:
    """Every tracked file of the package is in the wheel, and of the project in the sdist."""
    tracked = said("git", "ls-files", cwd=ROOT).splitlines()
    tracked = [file for file in tracked if (ROOT / file).exists()]
    with zipfile.ZipFile(wheel) as archive:
        inside = set(archive.namelist())
    wanted = {file for file in tracked if file.startswith("edgeq/")}
    wanted |= {f"edgeq/{file}" for file in tracked if file.startswith(DATA)}
    if missing := sorted(wanted - inside):
        sys.exit(f"{wheel.name} lacks {', '.join(missing[:5])} and {len(missing)} files in all.")
    with tarfile.open(sdist) as archive:
        inside = {name.partition("/")[2] for name in archive.getnames()}
    wanted = {file for file in tracked if "/" in file and not file.startswith(".")}
    if missing := sorted(wanted - inside):
        sys.exit(f"{sdist.name} lacks {', '.join(missing[:5])} and {len(missing)} files in all.")
    print(f"{wheel.name} and {sdist.name}: complete")


def run_job(python: str, package: Path, folder: Path) -> Path:
    """Install the package into an environment of its own and do the main job there."""
    environment = folder / f"{Path(python).name}-{package.suffix.lstrip('.')}"
    said(python, "-m", "venv", environment)
    own = environment / ("Scripts" if sys.platform == "win32" else "bin")
    pip = (own / "python", "-m", "pip", "install", "--quiet", "--disable-pip-version-check")
    said(*pip, "--upgrade", "pip")
    said(*pip, f"{package}[convert,firmware]")
    said(own / "python", ROOT / "scripts" / "release_job.py", own / "edgeq", cwd=folder)
    print(f"{Path(python).name}, {package.name}: converts, compiles, runs")
    return own / "python"


def write_bill(python: Path, version: str) -> None:
    """What an installation with everything for converting and firmware consists of."""
    bill = DIST / f"edgeq-{version}.cdx.json"
    said(
        *(sys.executable, "-m", "cyclonedx_py", "environment", "--output-reproducible"),
        *("--of", "JSON", "-o", bill, python),
    )
    print(f"{bill.name}: {bill.read_text().count('bom-ref')} packages")


def main() -> None:
    """Run every check; the first that fails ends it."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--pythons", nargs="*", default=PYTHONS)
    asked = parser.parse_args().pythons
    pythons = [found for found in map(interpreter, asked) if found]
    if not pythons:
        sys.exit(f"None of {', '.join(asked)} is on the path.")
    version = check_version()
    wheel, sdist = build()
    check_contents(wheel, sdist)
    with tempfile.TemporaryDirectory(prefix="edgeq-release-") as text:
        folder = Path(text)
        for number, python in enumerate(pythons):
            own = run_job(python, wheel, folder)
            if number == 0:
                write_bill(own, version)
            shutil.rmtree(own.parent.parent)
        shutil.rmtree(run_job(pythons[-1], sdist, folder).parent.parent)
    if skipped := sorted(set(PYTHONS) - {Path(python).name for python in pythons}):
        print(f"not tried, as they are not here: {', '.join(skipped)}")


if __name__ == "__main__":
    main()
