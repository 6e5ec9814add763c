"""npnet never warns of NaN, infinity or numbers too large: they are values, as in PyTorch.

What NumPy notices in its arithmetic hangs on the CPU: its BLAS and its loops for vectors raise the
processor's flags where the result doesn't need it. So `python -W error` would end a program on one
machine that runs on another. Here every flag is an error, underflow too, unless npnet itself looks
away: whatever computes outside of that is found on any CPU.
"""

from __future__ import annotations

import ast
import importlib
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import npnet
from npnet import distributions, nn, optim, transforms
from npnet.base.arrays import Array
from npnet.nn import functional as F
from npnet.nn import init
from npnet.optim import swa_utils
from npnet.tape import Function
from npnet.training import metrics

SPECIAL = [np.nan, np.inf, -np.inf, 3.4e38, -3.4e38, 1e-45, -1e-40, 0.0, 1.0, -1.0]
LARGE = 1e300  # infinite in float32
DTYPES = (np.float32, np.float64)


@pytest.fixture(autouse=True)
def _every_flag_is_an_error() -> Iterator[None]:
    with np.errstate(all="raise"):
        yield


def special(*shape: int, dtype: Any = np.float32) -> Array:
    values = np.random.default_rng(0).choice(np.array(SPECIAL), shape)
    with np.errstate(all="ignore"):
        return values.astype(dtype)


def tensor(*shape: int, dtype: Any = np.float32) -> npnet.Tensor:
    return npnet.from_numpy(special(*shape, dtype=dtype))


def parameter(dtype: Any = np.float32) -> nn.Parameter:
    p = nn.Parameter(tensor(4, 5, dtype=dtype))
    p.grad = tensor(4, 5, dtype=dtype)
    return p


def test_such_a_flag_is_noticed() -> None:
    with pytest.raises(FloatingPointError):
        special(9) * special(9)


ROOT = Path(__file__).parent.parent
FILES = sorted(
    path.relative_to(ROOT).as_posix()
    for folder in ("tests", "benchmarks")
    for path in (ROOT / folder).rglob("*.py")
)


def imports_an_op(tree: ast.AST) -> bool:
    return any(
        isinstance(node, ast.ImportFrom)
        and str(node.module).startswith("npnet.ops.")
        and any(
            is_op(getattr(importlib.import_module(str(node.module)), a.name)) for a in node.names
        )
        for node in ast.walk(tree)
    )


def is_op(value: Any) -> bool:
    return isinstance(value, type) and issubclass(value, Function)


@pytest.mark.parametrize("file", FILES)
def test_ops_are_applied_and_not_called_by_their_forward(file: str) -> None:
    """Which would compute outside of the error state that `Function.__call__` sets.

    An op of lanes, which is told where its calls go, `out`, computes nothing by NumPy.
    """
    tree = ast.parse((ROOT / file).read_text())
    lines = [
        node.lineno
        for node in ast.walk(tree)
        if isinstance(node, ast.Call)
        and isinstance(node.func, ast.Attribute)
        and node.func.attr == "forward"
        and "out" not in [a.id for a in node.args if isinstance(a, ast.Name)]
    ]
    assert not (lines and imports_an_op(tree)), f"{file}: forward is called in lines {lines}"


TENSOR: dict[str, Callable[[npnet.Tensor], Any]] = {
    "arithmetic": lambda x: (x + x, x * LARGE, x / 0, x**2, x**-1, 2**x, x - x),
    "comparison": lambda x: (x == x, x < x, x >= LARGE, x != float("nan"), npnet.isfinite(x)),
    "equality": lambda x: (npnet.equal(x, x), npnet.allclose(x, x), npnet.allclose(x, x * 2)),
    "casts": lambda x: (x.int(), x.long(), x.bool(), x.float(), x.double()),
    "extremes": lambda x: (x.argmax(), x.argmin(1), x.max(1), x.min(0), x.max()),
    "order": lambda x: (x.sort(1), x.topk(2, 1), x.argsort(0)),
    "statistics": lambda x: (x.mean(), x.std(), x.var(0), x.sum(), x.mean((0, 1))),
    "products": lambda x: (x @ x.T, F.linear(x, x)),
    "limits": lambda x: (x.clamp(-LARGE, LARGE), npnet.where(x > 0, x, LARGE)),
    "masks": lambda x: x.masked_fill(x > 0, LARGE),
    "softmax": lambda x: (F.softmax(x, 1), F.cross_entropy(x, npnet.arange(4))),
    "in place": lambda x: (x.add_(x), x.mul_(LARGE), x.div_(x), x.sub_(x), x.clamp_(-LARGE, 1)),
    "writing": lambda x: (x.fill_(LARGE), x.__setitem__(0, LARGE)),
    "writing wider": lambda x: x.__setitem__(0, npnet.full((5,), LARGE, dtype=npnet.float64)),
    "reading": lambda x: (repr(x), x.tolist(), x[0, 0].item()),
    "drawing": lambda x: (x.normal_(0, LARGE), x.uniform_(-3e38, 3e38)),
    "dropout": lambda x: F.dropout(x, 0.5),
    "alike": lambda x: (x.new_full((2,), LARGE), npnet.full_like(x, LARGE)),
    "gradient": lambda x: [(x.requires_grad_() * x).sum().backward() for _ in range(2)],
}


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("name", TENSOR)
def test_tensors(name: str, dtype: Any) -> None:
    TENSOR[name](tensor(4, 5, dtype=dtype))


def test_creation() -> None:
    for dtype in DTYPES:
        npnet.tensor([LARGE, 1e-300, 1.0], dtype=dtype)
        npnet.full((3,), LARGE, dtype=dtype)
        npnet.linspace(-1e308, 1e308, 5, dtype=dtype)
        npnet.normal(1e38, LARGE, (5,), dtype=dtype)
    assert npnet.tensor([LARGE]).item() == npnet.Tensor([LARGE]).item() == np.inf


@pytest.mark.parametrize("scale", [1e-30, 1e30])
@pytest.mark.parametrize("most", [1e-45, 1.0, 1e38, LARGE])
@pytest.mark.parametrize("dtype", DTYPES)
def test_clipping(dtype: Any, most: float, scale: float) -> None:
    p = parameter(dtype)
    for grad in (tensor(4, 5, dtype=dtype), npnet.full((4, 5), scale, dtype=dtype)):
        p.grad = grad
        nn.utils.clip_grad_norm_([p], most)
        nn.utils.clip_grad_value_([p], most)


@pytest.mark.parametrize("rule", ["SGD", "Adam", "AdamW", "NAdam", "RMSprop"])
def test_optimizers(rule: str, backend: str) -> None:
    p = parameter()
    optimizer = getattr(optim, rule)([p], lr=0.1, weight_decay=0.1)
    for _ in range(3):
        optimizer.step()


AVERAGES: dict[str, Any] = {
    "mean": {},
    "ema": {"avg_fn": swa_utils.get_ema_avg_fn(0.9)},
    "ema of all": {"multi_avg_fn": swa_utils.get_ema_multi_avg_fn(0.9)},
    "mean of all": {"multi_avg_fn": swa_utils.get_swa_multi_avg_fn()},
}


@pytest.mark.parametrize("name", AVERAGES)
def test_averaged_models(name: str, backend: str) -> None:
    model = nn.Linear(5, 4)
    average = swa_utils.AveragedModel(model, **AVERAGES[name])
    for _ in range(3):
        model.load_state_dict({"weight": tensor(4, 5), "bias": tensor(4)})
        average.update_parameters(model)


TRANSFORMS: list[Any] = [
    transforms.ToTensor(),
    transforms.Resize(7),
    transforms.Resize(20),
    transforms.Normalize((0.5,) * 3, (1e-30,) * 3),
    transforms.RandomAffine(10, (0.1, 0.1), (0.8, 1.2), 5),
    transforms.RandomAffine(10, interpolation=transforms.InterpolationMode.BILINEAR),
    transforms.Pad(2),
    transforms.Cutout(3),
]


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("transform", TRANSFORMS, ids=repr)
def test_transforms(transform: Any, dtype: Any) -> None:
    transform(special(3, 3, 12, 12, dtype=dtype))


@pytest.mark.parametrize("dtype", DTYPES)
def test_metrics(dtype: Any) -> None:
    logits, y = special(40, 5, dtype=dtype), np.arange(40) % 5
    metrics.Score().add(float("inf"), logits, y)
    metrics.sampled_accuracy(logits, y, 0, 0)
    metrics.top_k_accuracy(logits, y, 2)
    metrics.worst_errors(logits, y, 3)
    metrics.class_scores(np.zeros((3, 3), np.int64))


def test_initialisation() -> None:
    weight = npnet.empty(6, 6)
    for draw in (init.xavier_uniform_, init.xavier_normal_, init.orthogonal_):
        draw(weight, 3e38)
    for fill in (init.kaiming_uniform_, init.kaiming_normal_, init.trunc_normal_):
        fill(weight)
    init.constant_(weight, LARGE)
    init.normal_(weight, 1e38, 3e38)


def test_distributions() -> None:
    for options in ({"probs": [1e-45, 1e-30, 3e38]}, {"logits": [-3e38, 3e38, -np.inf]}):
        given = {name: npnet.tensor(values) for name, values in options.items()}
        drawn = distributions.Categorical(**given)
        drawn.log_prob(drawn.sample())
        drawn.entropy()
