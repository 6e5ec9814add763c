"""Recurrent layers: RNN, LSTM, GRU, and their cells."""

from __future__ import annotations

import math
import warnings
from typing import Any, ClassVar

import numpy as np
import numpy.typing as npt

from npnet import creation
from npnet.base.checks import ShapeError
from npnet.nn import functional as F
from npnet.nn import init
from npnet.nn.module import Module
from npnet.nn.parameter import Parameter
from npnet.nn.utils.rnn import PackedSequence, pad_packed_sequence
from npnet.ops import recurrent
from npnet.ops.dtypes import check_dtypes
from npnet.ops.indexing import get_item
from npnet.ops.shape import cat, stack
from npnet.ops.splitting import index_select
from npnet.tape import result
from npnet.tensor import Tensor

__all__ = ["GRU", "LSTM", "RNN", "GRUCell", "LSTMCell", "RNNBase", "RNNCell", "RNNCellBase"]


def _draw(module: Module, hidden_size: int) -> None:
    """Draw all parameters evenly from [-b, b), b = 1 / sqrt(hidden_size), as PyTorch does."""
    module._check_writable("reset_parameters")
    bound = 1 / math.sqrt(hidden_size) if hidden_size > 0 else 0.0
    for p in module.parameters():
        init.uniform_(p, -bound, bound)


class RNNBase(Module):
    """What the recurrent layers have in common.

    Parameters of layer k are weight_ih_lk (G, I), weight_hh_lk (G, H), bias_ih_lk, bias_hh_lk (G,)
    with G = H times the number of gates; those of the way back end in `_reverse`.

    Args:
        mode: "RNN_TANH", "RNN_RELU", "GRU" or "LSTM".
        num_layers: one upon the other.
        batch_first: inputs and outputs are (N, T, ...) instead of (T, N, ...).
        dropout: between the layers, in training.
        bidirectional: a second layer goes from the last step to the first; outputs are joined.
        proj_size: of an LSTM, the size of h, which W_hr makes of the cell's H numbers.

    Shape: input (T, N, I) or (T, I), or a PackedSequence; see `RNN`.

    Raises:
        ValueError: a size is not above 0, dropout is not in [0, 1], or proj_size is not for this
            mode or too large.
        TypeError: a size is no int.
        KeyError: mode is none of these.

    Example:
        >>> sorted(name for name, _ in nn.RNN(3, 5).named_parameters())
        ['bias_hh_l0', 'bias_ih_l0', 'weight_hh_l0', 'weight_ih_l0']
    """

    _functions: ClassVar[dict[str, type[recurrent.Recurrent]]] = {
        "RNN_TANH": recurrent.RNN,
        "RNN_RELU": recurrent.RNN,
        "GRU": recurrent.GRU,
        "LSTM": recurrent.LSTM,
    }

    def __init__(
        self,
        mode: str,
        input_size: int,
        hidden_size: int,
        num_layers: int = 1,
        bias: bool = True,
        batch_first: bool = False,
        dropout: float = 0.0,
        bidirectional: bool = False,
        proj_size: int = 0,
        device: Any = None,
        dtype: npt.DTypeLike | None = None,
    ) -> None:
        super().__init__()
        name = type(self).__name__
        for what, size in (("input_size", input_size), ("hidden_size", hidden_size)):
            if isinstance(size, bool) or not isinstance(size, int):
                raise TypeError(f"{name}: {what} must be an int, got {type(size).__name__}")
        if min(input_size, hidden_size, num_layers) <= 0:
            raise ValueError(
                f"{name}: input_size, hidden_size and num_layers must be above 0, got "
                f"{input_size}, {hidden_size} and {num_layers}"
            )
        for what, value in (("bias", bias), ("batch_first", batch_first)):
            if not isinstance(value, bool):
                raise TypeError(f"{name}: {what} must be a bool, got {type(value).__name__}")
        if isinstance(dropout, bool) or not 0 <= dropout <= 1:
            raise ValueError(f"{name}: dropout must be a probability in [0, 1], got {dropout}")
        if dropout > 0 and num_layers == 1:
            warnings.warn(
                "dropout option adds dropout after all but last recurrent layer, so non-zero "
                f"dropout expects num_layers greater than 1, but got dropout={dropout} and "
                f"num_layers={num_layers}",
                stacklevel=3,
            )
        if not 0 <= proj_size < hidden_size:
            raise ValueError(
                f"{name}: proj_size must lie in [0, {hidden_size - 1}], got {proj_size}"
            )
        if proj_size and mode != "LSTM":
            raise ValueError(f"{name}: proj_size is for LSTM alone, got {proj_size}")
        self.mode, self.input_size, self.hidden_size = mode, input_size, hidden_size
        self.num_layers, self.bias, self.batch_first = num_layers, bias, batch_first
        self.dropout, self.bidirectional, self.proj_size = float(dropout), bidirectional, proj_size
        creation.empty(0, device=device)  # refused unless it is the CPU
        for layer in range(num_layers):
            for direction in range(self._directions):
                self._add_parameters(layer, direction, dtype)
        self.reset_parameters()

    @property
    def _directions(self) -> int:
        return 2 if self.bidirectional else 1

    @property
    def _output_size(self) -> int:
        return self.proj_size or self.hidden_size

    def _names(self, layer: int, direction: int) -> list[str]:
        """The names of the parameters of a layer in one direction, in PyTorch's order."""
        names = ["weight_ih_l", "weight_hh_l"]
        names += ["bias_ih_l", "bias_hh_l"] if self.bias else []
        names += ["weight_hr_l"] if self.proj_size else []
        return [f"{name}{layer}{'_reverse' if direction else ''}" for name in names]

    def _add_parameters(self, layer: int, direction: int, dtype: npt.DTypeLike | None) -> None:
        gates = self._functions[self.mode].gates * self.hidden_size
        inputs = self._output_size * self._directions if layer else self.input_size
        sizes: list[tuple[int, ...]] = [(gates, inputs), (gates, self._output_size)]
        sizes += [(gates,)] * 2 if self.bias else []
        sizes += [(self.proj_size, self.hidden_size)] if self.proj_size else []
        for name, size in zip(self._names(layer, direction), sizes, strict=True):
            self.register_parameter(name, Parameter(creation.empty(size, dtype=dtype)))

    def reset_parameters(self) -> None:
        """Draw all parameters anew."""
        _draw(self, self.hidden_size)

    def flatten_parameters(self) -> None:
        """For GPUs, which want all weights in one piece of memory; does nothing here."""

    @property
    def all_weights(self) -> list[list[Parameter]]:
        """The parameters of each layer and direction."""
        return [
            [getattr(self, name) for name in self._names(layer, direction)]
            for layer in range(self.num_layers)
            for direction in range(self._directions)
        ]

    def forward(self, input: Tensor | PackedSequence, hx: Any = None) -> tuple[Any, Any]:
        x, counts, packed = _unpacked(input)
        single = packed is None and x.ndim == 2
        if x.ndim not in (2, 3):
            raise ShapeError(f"{type(self).__name__}: input must be 2-D or 3-D, got {x.shape}")
        if single:
            x = x.unsqueeze(1)
        elif self.batch_first and packed is None:
            x = x.transpose(0, 1)
        if x.shape[-1] != self.input_size:
            raise ShapeError(
                f"{type(self).__name__}: input must end in input_size {self.input_size}, got "
                f"{tuple(input.shape) if isinstance(input, Tensor) else x.shape}"
            )
        states = self._states(hx, x, single, packed)
        y, *last = self._run(x, states, counts)
        if packed is not None:
            if packed.unsorted_indices is not None:
                last = [index_select(state, 1, packed.unsorted_indices) for state in last]
            return _packed_again(y, packed), tuple(last) if len(last) > 1 else last[0]
        if single:
            y, last = y.squeeze(1), [state.squeeze(1) for state in last]
        elif self.batch_first:
            y = y.transpose(0, 1)
        return y, tuple(last) if len(last) > 1 else last[0]

    def _states(
        self, hx: Any, x: Tensor, single: bool, packed: PackedSequence | None
    ) -> list[Tensor]:
        """The first h, and c, (layers * directions, N, H); zeros where they are not given."""
        name, rows = type(self).__name__, self.num_layers * self._directions
        sizes = (
            [self._output_size, self.hidden_size] if self.mode == "LSTM" else [self._output_size]
        )
        shapes = [(rows, x.shape[1], size) for size in sizes]
        if hx is None:
            return [result(np.zeros(shape, x.dtype)) for shape in shapes]
        given = list(hx) if self.mode == "LSTM" else [hx]
        states = []
        for state, shape in zip(given, shapes, strict=True):
            expected = (shape[0], shape[2]) if single else shape
            if state.ndim != len(expected):
                raise RuntimeError(
                    f"{name}: for an input of {2 if single else 3} axes, hx must have as many; "
                    f"got {state.shape}"
                )
            if state.shape != expected:
                raise RuntimeError(f"{name}: hx must be {expected}, got {state.shape}")
            whole = state.unsqueeze(1) if single else state
            if packed is not None and packed.sorted_indices is not None:
                whole = index_select(whole, 1, packed.sorted_indices)
            states.append(whole)
        return states

    def _run(self, x: Tensor, states: list[Tensor], counts: list[int] | None) -> list[Tensor]:
        """The outputs of the last layer, and the last states of all."""
        lasts: list[list[Tensor]] = [[] for _ in states]
        for layer in range(self.num_layers):
            outputs = []
            for direction in range(self._directions):
                row = layer * self._directions + direction
                first = [state[row] for state in states]
                y, *last = self._one_layer(x, first, layer, direction, counts)
                outputs.append(y)
                for known, state in zip(lasts, last, strict=True):
                    known.append(state)
            x = outputs[0] if len(outputs) == 1 else cat(outputs, -1)
            if self.dropout and self.training and layer < self.num_layers - 1:
                x = F.dropout(x, self.dropout)
        return [x, *(stack(states) for states in lasts)]

    def _one_layer(
        self,
        x: Tensor,
        first: list[Tensor],
        layer: int,
        direction: int,
        counts: list[int] | None,
    ) -> list[Tensor]:
        parameters = [getattr(self, name) for name in self._names(layer, direction)]
        weights, rest = parameters[:2], parameters[2:]
        biases = rest[:2] if self.bias else []
        projection = rest[-1:] if self.proj_size else []
        return apply(self.mode, x, first, weights, biases, projection, bool(direction), counts)

    def extra_repr(self) -> str:
        parts = [f"{self.input_size}, {self.hidden_size}"]
        defaults = {
            "proj_size": 0,
            "num_layers": 1,
            "bias": True,
            "batch_first": False,
            "dropout": 0,
            "bidirectional": False,
        }
        parts += [f"{n}={getattr(self, n)}" for n, v in defaults.items() if getattr(self, n) != v]
        return ", ".join(parts)


def apply(
    mode: str,
    x: Tensor,
    first: list[Tensor],
    weights: list[Tensor],
    biases: list[Tensor],
    projection: list[Tensor],
    reverse: bool = False,
    counts: list[int] | None = None,
) -> list[Tensor]:
    """The outputs (T, N, P) of a layer in one direction, and its last h, and c."""
    check_dtypes(mode, x, *first, *weights, *biases)
    gates, hidden = weights[0].shape[0], weights[0].shape[0]
    kind = RNNBase._functions[mode]
    hidden //= kind.gates
    h, *cell = first
    c = cell[0] if cell else result(np.zeros((h.shape[0], hidden), x.dtype))
    both = biases or [result(np.zeros(gates, x.dtype)) for _ in range(2)]
    function = (
        recurrent.RNN(reverse, counts, mode == "RNN_RELU")
        if kind is recurrent.RNN
        else kind(reverse, counts)
    )
    whole = function(x, h, c, *weights, *both, *projection)
    length, width = x.shape[0], h.shape[1]
    return [whole[:length, :, :width], whole[length, :, :width], *(whole[length + 1] for _ in cell)]


def _unpacked(
    input: Tensor | PackedSequence,
) -> tuple[Tensor, list[int] | None, PackedSequence | None]:
    """Padded (T, N, ...), sorted by length, with the number of sequences of each step."""
    if not isinstance(input, PackedSequence):
        return input, None, None
    by_length = input._replace(sorted_indices=None, unsorted_indices=None)
    padded, _ = pad_packed_sequence(by_length)
    return padded, input.batch_sizes.tolist(), input


def _packed_again(y: Tensor, packed: PackedSequence) -> PackedSequence:
    counts = packed.batch_sizes.array
    steps = np.repeat(np.arange(len(counts)), counts)
    columns = np.concatenate([np.arange(n) for n in counts])
    return packed._replace(data=get_item(y, (result(steps), result(columns))))


class RNN(RNNBase):
    """h_t = tanh(W_ih x_t + b_ih + W_hh h_{t-1} + b_hh), or max(…, 0); see `RNNBase`.

    Args:
        nonlinearity: "tanh" or "relu".

    Shape: input (T, N, I) or (T, I), or a PackedSequence; hx (layers * directions, N, H).
    Returns: outputs (T, N, directions * H) and the last h of each layer and direction.

    Raises:
        ValueError: nonlinearity is neither of these, a size is not above 0, or dropout is not in
            [0, 1].
        ShapeError: input has neither 2 nor 3 axes, or does not end in input_size.
        RuntimeError: hx does not fit.

    Example:
        >>> layer = nn.RNN(3, 5, bidirectional=True)
        >>> y, h = layer(npnet.zeros(20, 8, 3))
        >>> y.shape, h.shape
        ((20, 8, 10), (2, 8, 5))

    Source: Elman (1990), Cognitive Science 14.
    """

    def __init__(
        self,
        input_size: int,
        hidden_size: int,
        num_layers: int = 1,
        nonlinearity: str = "tanh",
        bias: bool = True,
        batch_first: bool = False,
        dropout: float = 0.0,
        bidirectional: bool = False,
        device: Any = None,
        dtype: npt.DTypeLike | None = None,
    ) -> None:
        if nonlinearity not in ("tanh", "relu"):
            raise ValueError(f"RNN: nonlinearity must be tanh or relu, got {nonlinearity!r}")
        super().__init__(
            f"RNN_{nonlinearity.upper()}",
            input_size,
            hidden_size,
            num_layers,
            bias,
            batch_first,
            dropout,
            bidirectional,
            0,
            device,
            dtype,
        )
        self.nonlinearity = nonlinearity


class GRU(RNNBase):
    """Gated recurrent units; see `RNNBase`.

        r = sigmoid(W_ir x_t + b_ir + W_hr h_{t-1} + b_hr),  z alike
        n = tanh(W_in x_t + b_in + r * (W_hn h_{t-1} + b_hn))
        h_t = (1 - z) * n + z * h_{t-1}

    Shape: input (T, N, I) or (T, I), or a PackedSequence; hx (layers * directions, N, H) -> outputs
    (T, N, directions * H), and the last h like hx.

    Raises:
        ShapeError: input has neither 2 nor 3 axes, or does not end in input_size.
        RuntimeError: hx does not fit.

    Example:
        >>> layer = nn.GRU(3, 5, batch_first=True)
        >>> y, h = layer(npnet.zeros(8, 20, 3))
        >>> y.shape, h.shape
        ((8, 20, 5), (1, 8, 5))

    Source: Cho et al. (2014), arXiv:1406.1078, eqs. 5-8; r inside W_hn's product as in cuDNN.
    """

    def __init__(
        self,
        input_size: int,
        hidden_size: int,
        num_layers: int = 1,
        bias: bool = True,
        batch_first: bool = False,
        dropout: float = 0.0,
        bidirectional: bool = False,
        device: Any = None,
        dtype: npt.DTypeLike | None = None,
    ) -> None:
        super().__init__(
            "GRU",
            input_size,
            hidden_size,
            num_layers,
            bias,
            batch_first,
            dropout,
            bidirectional,
            0,
            device,
            dtype,
        )


class LSTM(RNNBase):
    """Long short-term memory; see `RNNBase`.

        i = sigmoid(W_ii x_t + b_ii + W_hi h_{t-1} + b_hi),  f and o alike, g alike by tanh
        c_t = f * c_{t-1} + i * g
        h_t = o * tanh(c_t),  or W_hr times this with proj_size

    hx is (h, c), and so is what is returned beside the outputs.

    Shape: input (T, N, I) or (T, I), or a PackedSequence; hx two of (layers * directions, N, H) ->
    outputs (T, N, directions * H), and the last h and c like hx; with proj_size P, outputs and h
    have P in the place of H.

    Raises:
        ValueError: proj_size is not less than hidden_size.
        ShapeError: input has neither 2 nor 3 axes, or does not end in input_size.
        RuntimeError: hx does not fit.

    Example:
        >>> layer = nn.LSTM(3, 5, num_layers=2)
        >>> y, (h, c) = layer(npnet.zeros(20, 8, 3))
        >>> y.shape, h.shape, c.shape
        ((20, 8, 5), (2, 8, 5), (2, 8, 5))

    Source: Hochreiter and Schmidhuber (1997); Gers, Schmidhuber, Cummins (2000), for f; Sak et al.
    (2014), arXiv:1402.1128, for W_hr.
    """

    def __init__(
        self,
        input_size: int,
        hidden_size: int,
        num_layers: int = 1,
        bias: bool = True,
        batch_first: bool = False,
        dropout: float = 0.0,
        bidirectional: bool = False,
        proj_size: int = 0,
        device: Any = None,
        dtype: npt.DTypeLike | None = None,
    ) -> None:
        super().__init__(
            "LSTM",
            input_size,
            hidden_size,
            num_layers,
            bias,
            batch_first,
            dropout,
            bidirectional,
            proj_size,
            device,
            dtype,
        )


class RNNCellBase(Module):
    """One step of a recurrent layer: parameters weight_ih, weight_hh, bias_ih and bias_hh.

    Example:
        >>> nn.GRUCell(3, 5).weight_ih.shape
        (15, 3)
    """

    def __init__(
        self,
        input_size: int,
        hidden_size: int,
        bias: bool,
        num_chunks: int,
        device: Any = None,
        dtype: npt.DTypeLike | None = None,
    ) -> None:
        super().__init__()
        self.input_size, self.hidden_size, self.bias = input_size, hidden_size, bias
        gates = num_chunks * hidden_size
        sizes: dict[str, tuple[int, ...]] = {
            "weight_ih": (gates, input_size),
            "weight_hh": (gates, hidden_size),
            "bias_ih": (gates,),
            "bias_hh": (gates,),
        }
        for name, size in sizes.items():
            missing = not bias and len(size) == 1
            made = None if missing else creation.empty(size, dtype=dtype, device=device)
            self.register_parameter(name, None if made is None else Parameter(made))
        self.reset_parameters()

    def reset_parameters(self) -> None:
        """Draw all parameters anew."""
        _draw(self, self.hidden_size)

    def _step(self, input: Tensor, states: Any, mode: str) -> list[Tensor]:
        """The next h, and c."""
        name, count = type(self).__name__, 1 + (mode == "LSTM")
        if input.ndim not in (1, 2) or input.shape[-1] != self.input_size:
            raise ShapeError(
                f"{name}: input must be (N, {self.input_size}) or ({self.input_size},), "
                f"got {input.shape}"
            )
        x = input.unsqueeze(0) if input.ndim == 1 else input
        size = (*input.shape[:-1], self.hidden_size)
        given = (
            [result(np.zeros(size, x.dtype)) for _ in range(count)] if states is None else states
        )
        for state in given:
            if state.shape != size:
                raise ShapeError(f"{name}: hx must be {size}, got {state.shape}")
        first = [state.unsqueeze(0) if input.ndim == 1 else state for state in given]
        biases = [self.bias_ih, self.bias_hh] if self.bias else []
        weights = [self.weight_ih, self.weight_hh]
        _, *last = apply(mode, x.unsqueeze(0), first, weights, biases, [])
        return [state.squeeze(0) for state in last] if input.ndim == 1 else last

    def extra_repr(self) -> str:
        bias = "" if self.bias is True else f", bias={self.bias}"
        return f"{self.input_size}, {self.hidden_size}{bias}"


class RNNCell(RNNCellBase):
    """One step of `RNN`.  Shape: (N, I), hx (N, H) -> (N, H); or without N.

    Raises:
        ShapeError: the input is neither (N, I) nor (I,), or hx does not fit.
        RuntimeError: nonlinearity is neither "tanh" nor "relu".

    Example:
        >>> cell, h = nn.RNNCell(3, 5), npnet.zeros(8, 5)
        >>> for x in npnet.zeros(20, 8, 3):
        ...     h = cell(x, h)
        >>> h.shape
        (8, 5)

    Source: Elman (1990), Cognitive Science 14.
    """

    def __init__(
        self,
        input_size: int,
        hidden_size: int,
        bias: bool = True,
        nonlinearity: str = "tanh",
        device: Any = None,
        dtype: npt.DTypeLike | None = None,
    ) -> None:
        super().__init__(input_size, hidden_size, bias, 1, device, dtype)
        self.nonlinearity = nonlinearity

    def forward(self, input: Tensor, hx: Tensor | None = None) -> Tensor:
        if self.nonlinearity not in ("tanh", "relu"):
            raise RuntimeError(f"Unknown nonlinearity: {self.nonlinearity}")
        mode = f"RNN_{self.nonlinearity.upper()}"
        return self._step(input, None if hx is None else [hx], mode)[0]

    def extra_repr(self) -> str:
        plain = self.nonlinearity == "tanh"
        return super().extra_repr() + ("" if plain else f", nonlinearity={self.nonlinearity}")


class LSTMCell(RNNCellBase):
    """One step of `LSTM`.  Shape: (N, I), hx two of (N, H) -> two of (N, H); or without N.

    Raises:
        ShapeError: the input is neither (N, I) nor (I,), or hx does not fit.

    Example:
        >>> h, c = nn.LSTMCell(3, 5)(npnet.zeros(8, 3))
        >>> h.shape, c.shape
        ((8, 5), (8, 5))

    Source: Hochreiter and Schmidhuber (1997); Gers, Schmidhuber, Cummins (2000), for f.
    """

    def __init__(
        self,
        input_size: int,
        hidden_size: int,
        bias: bool = True,
        device: Any = None,
        dtype: npt.DTypeLike | None = None,
    ) -> None:
        super().__init__(input_size, hidden_size, bias, 4, device, dtype)

    def forward(
        self, input: Tensor, hx: tuple[Tensor, Tensor] | None = None
    ) -> tuple[Tensor, Tensor]:
        h, c = self._step(input, hx, "LSTM")
        return h, c


class GRUCell(RNNCellBase):
    """One step of `GRU`.  Shape: (N, I), hx (N, H) -> (N, H); or without N.

    Raises:
        ShapeError: the input is neither (N, I) nor (I,), or hx does not fit.

    Example:
        >>> nn.GRUCell(3, 5)(npnet.zeros(8, 3), npnet.zeros(8, 5)).shape
        (8, 5)

    Source: Cho et al. (2014), arXiv:1406.1078, eqs. 5-8; r inside W_hn's product as in cuDNN.
    """

    def __init__(
        self,
        input_size: int,
        hidden_size: int,
        bias: bool = True,
        device: Any = None,
        dtype: npt.DTypeLike | None = None,
    ) -> None:
        super().__init__(input_size, hidden_size, bias, 3, device, dtype)

    def forward(self, input: Tensor, hx: Tensor | None = None) -> Tensor:
        return self._step(input, None if hx is None else [hx], "GRU")[0]
