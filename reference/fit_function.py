"""The same fit in PyTorch: `python -m reference.fit_function`, with the flags of npnet's.

Samples, initial weights and order of the batches are those of npnet for the same seed, and so are
the files that a run writes.
"""

from __future__ import annotations

import sys
from collections.abc import Sequence

import torch

import npnet
from npnet.fit_function import fit_function
from npnet.fitting.config import FitConfig
from npnet.fitting.learner import Fitter, initial_network
from npnet.fitting.samples import Samples
from npnet.runs.weights import arrays
from reference.models.mlp import MLP

__all__ = ["build", "main"]


def build(config: FitConfig, samples: Samples) -> Fitter:
    """A network of PyTorch with npnet's initial weights, and PyTorch's optimizer and schedule."""
    torch.set_num_threads(npnet.get_num_threads())
    network = MLP((1, *config.widths, 1), config.activation)
    fitter = Fitter(config, samples, network, torch)
    fitter.load_weights(arrays(initial_network(config)))
    return fitter


def main(argv: Sequence[str] | None = None) -> int:
    """Fit as the command line says. Returns the exit code."""
    argv = sys.argv[1:] if argv is None else argv
    return fit_function(argv, "python -m reference.fit_function", build)


if __name__ == "__main__":
    raise SystemExit(main())
