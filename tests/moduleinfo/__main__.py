"""Prints which of ModuleInfo's modules npnet has not: `python -m tests.moduleinfo`."""

from tests.moduleinfo.source import ABSENT, MODULES

print(f"{len(MODULES)} of {len(MODULES) + len(ABSENT)} modules; absent are")
print("\n".join(info.name for info in ABSENT))
