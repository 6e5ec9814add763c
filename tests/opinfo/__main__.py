"""`python -m tests.opinfo`: what of OpInfo's names npnet has not."""

from tests.opinfo.source import ABSENT, OPS, full_name

if __name__ == "__main__":
    print(f"{len(OPS)} entries of OpInfo are in npnet, {len(ABSENT)} are not:")
    for op in sorted(ABSENT, key=lambda op: op.name):
        print(f"  {op.name:50} {full_name(op)}")
