"""`python -m npnet`: the same as the `npnet` command."""

from npnet.cli import main

if __name__ == "__main__":
    raise SystemExit(main())
