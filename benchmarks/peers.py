"""The networks of the benchmarks as training steps in JAX and tinygrad.

A network is written once, over the operations that both libraries have under other names; weights
come by their names in the network's `state_dict`. A step is compiled by the library's own jit:
forward, cross-entropy, backward, SGD with momentum.
"""

from __future__ import annotations

import importlib.util
from collections.abc import Callable, Mapping
from typing import Any

import numpy as np

import npnet

EPS = 1e-5  # of batch norm


def lenet5(o: Any, w: Mapping[str, Any], x: Any) -> Any:
    x = o.avg_pool(o.tanh(conv(o, w, "conv1", x)), 2)
    x = o.avg_pool(o.tanh(conv(o, w, "conv2", x)), 2)
    x = o.flatten(o.tanh(conv(o, w, "conv3", x)))
    return linear(o, w, "fc2", o.tanh(linear(o, w, "fc1", x)))


def convnet(o: Any, w: Mapping[str, Any], x: Any) -> Any:
    x = o.max_pool(o.relu(norm(o, w, "bn1", conv(o, w, "conv1", x, padding=1))), 2)
    x = o.max_pool(o.relu(norm(o, w, "bn2", conv(o, w, "conv2", x, padding=1))), 2)
    x = o.relu(linear(o, w, "fc1", o.flatten(x)))
    return linear(o, w, "fc3", o.relu(linear(o, w, "fc2", x)))


def resnet20(o: Any, w: Mapping[str, Any], x: Any) -> Any:
    x = o.relu(norm(o, w, "bn1", conv(o, w, "conv1", x, padding=1)))
    for stage in (1, 2, 3):
        for i in range(3):
            x = block(o, w, f"layer{stage}.{i}.", x, 2 if stage > 1 and i == 0 else 1)
    return linear(o, w, "fc", o.mean(x, (2, 3)))


def block(o: Any, w: Mapping[str, Any], name: str, x: Any, stride: int) -> Any:
    y = o.relu(norm(o, w, name + "bn1", conv(o, w, name + "conv1", x, stride, 1)))
    y = norm(o, w, name + "bn2", conv(o, w, name + "conv2", y, 1, 1))
    if stride == 2:
        extra = (y.shape[1] - x.shape[1]) // 2
        x = o.pad_channels(x[:, :, ::2, ::2], extra)
    return o.relu(y + x)


def conv(o: Any, w: Mapping[str, Any], name: str, x: Any, stride: int = 1, padding: int = 0) -> Any:
    y = o.conv(x, w[name + ".weight"], stride, padding)
    bias = w.get(name + ".bias")
    return y if bias is None else y + bias.reshape(1, -1, 1, 1)


def linear(o: Any, w: Mapping[str, Any], name: str, x: Any) -> Any:
    return x @ o.transpose(w[name + ".weight"]) + w[name + ".bias"]


def norm(o: Any, w: Mapping[str, Any], name: str, x: Any) -> Any:
    """Batch norm in training; running statistics, which the loss does not depend on, are left."""
    centred = x - o.mean(x, (0, 2, 3), keep=True)
    scale = w[name + ".weight"].reshape(1, -1, 1, 1) / o.sqrt(
        o.mean(centred * centred, (0, 2, 3), keep=True) + EPS
    )
    return centred * scale + w[name + ".bias"].reshape(1, -1, 1, 1)


NETWORKS = {"lenet5": lenet5, "convnet": convnet, "resnet20": resnet20}


def jax_step(
    name: str,
    weights: Mapping[str, np.ndarray],
    x: np.ndarray,
    y: np.ndarray,
    lr: float,
    beta: float,
) -> Callable[[], float]:
    import jax
    from jax import lax
    from jax import numpy as jnp

    class Ops:
        tanh, sqrt = jnp.tanh, jnp.sqrt
        relu, transpose = jax.nn.relu, jnp.transpose

        @staticmethod
        def conv(x: Any, weight: Any, stride: int, padding: int) -> Any:
            return lax.conv_general_dilated(x, weight, (stride,) * 2, [(padding,) * 2] * 2)

        @staticmethod
        def avg_pool(x: Any, k: int) -> Any:
            window = (1, 1, k, k)
            return lax.reduce_window(x, 0.0, lax.add, window, window, "VALID") / (k * k)

        @staticmethod
        def max_pool(x: Any, k: int) -> Any:
            window = (1, 1, k, k)
            return lax.reduce_window(x, -jnp.inf, lax.max, window, window, "VALID")

        @staticmethod
        def mean(x: Any, axes: tuple[int, ...], keep: bool = False) -> Any:
            return jnp.mean(x, axes, keepdims=keep)

        @staticmethod
        def flatten(x: Any) -> Any:
            return x.reshape(len(x), -1)

        @staticmethod
        def pad_channels(x: Any, extra: int) -> Any:
            return jnp.pad(x, ((0, 0), (extra, extra), (0, 0), (0, 0)))

    def loss(w: Any, x: Any, y: Any) -> Any:
        logp = jax.nn.log_softmax(NETWORKS[name](Ops, w, x))
        return -jnp.mean(jnp.take_along_axis(logp, y[:, None], 1))

    @jax.jit
    def step(w: Any, v: Any, x: Any, y: Any) -> Any:
        value, g = jax.value_and_grad(loss)(w, x, y)
        v = jax.tree.map(lambda a, b: beta * a + b, v, g)
        return value, jax.tree.map(lambda a, b: a - lr * b, w, v), v

    w = {k: jnp.asarray(a) for k, a in weights.items()}
    state = [w, jax.tree.map(jnp.zeros_like, w)]
    images, labels = jnp.asarray(x), jnp.asarray(y)

    def run() -> float:
        value, *state[:] = step(*state, images, labels)
        return float(value)

    return run


def tinygrad_step(
    name: str,
    weights: Mapping[str, np.ndarray],
    x: np.ndarray,
    y: np.ndarray,
    lr: float,
    beta: float,
) -> Callable[[], float]:
    from tinygrad import Context, Tensor, TinyJit, nn

    class Ops:
        tanh, sqrt, relu, transpose = Tensor.tanh, Tensor.sqrt, Tensor.relu, Tensor.transpose

        @staticmethod
        def conv(x: Any, weight: Any, stride: int, padding: int) -> Any:
            return x.conv2d(weight, stride=stride, padding=padding)

        @staticmethod
        def avg_pool(x: Any, k: int) -> Any:
            return x.avg_pool2d((k, k))

        @staticmethod
        def max_pool(x: Any, k: int) -> Any:
            return x.max_pool2d((k, k))

        @staticmethod
        def mean(x: Any, axes: tuple[int, ...], keep: bool = False) -> Any:
            return x.mean(axes, keepdim=keep)

        @staticmethod
        def flatten(x: Any) -> Any:
            return x.flatten(1)

        @staticmethod
        def pad_channels(x: Any, extra: int) -> Any:
            return x.pad((None, (extra, extra), None, None))

    w = {k: npnet.as_tensor(a) for k, a in weights.items()}
    optimizer = nn.optim.SGD(list(w.values()), lr=lr, momentum=beta)
    images, labels = (npnet.as_tensor(a).is_param_(False).realize() for a in (x, y))

    @TinyJit
    def step() -> Any:
        optimizer.zero_grad()
        loss = NETWORKS[name](Ops, w, images).sparse_categorical_crossentropy(labels).backward()
        # together: a loss computed later would be that of the new weights
        Tensor.realize(loss, *optimizer.schedule_step())
        return loss

    def run() -> float:
        with Context(TRAINING=1):
            return float(step().item())

    return run


PEERS = {"jax": jax_step, "tinygrad": tinygrad_step}


def installed() -> dict[str, Callable[..., Callable[[], float]]]:
    """The peers that are here, by name."""
    return {name: step for name, step in PEERS.items() if importlib.util.find_spec(name)}
