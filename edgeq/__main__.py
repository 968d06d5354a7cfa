"""`python -m edgeq`."""

from edgeq.cli.main import main

if __name__ == "__main__":
    main()
