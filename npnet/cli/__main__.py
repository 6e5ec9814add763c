"""The `npnet` command as `python -m npnet.cli`."""

from npnet.cli import main

if __name__ == "__main__":
    raise SystemExit(main())
