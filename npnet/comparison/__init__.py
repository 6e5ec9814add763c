"""`npnet compare`: a grid of runs, each a process of its own, and one report of them all."""
