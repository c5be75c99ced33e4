"""`python -m saccade`: the command line, where the `saccade` script is not on the path."""

from saccade.cli import main

if __name__ == "__main__":
    raise SystemExit(main())
