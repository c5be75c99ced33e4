"""`python -m foveate`: the command line, where the `foveate` script is not on the path."""

from foveate.cli import main

if __name__ == "__main__":
    raise SystemExit(main())
