"""`python -m edgeq`, and the program `edgeq`."""

import sys


def main() -> None:
    """Run the command line; Ctrl-C ends it while it is imported, too."""
    try:
        from edgeq.cli.main import main as run
    except KeyboardInterrupt:
        sys.exit(130)
    run()


if __name__ == "__main__":
    main()
