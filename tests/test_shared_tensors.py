"""Python threads that share tensors, parameters, graphs and models: right values on one memory."""

from __future__ import annotations

import sys
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import numpy as np
import pytest

import npnet
from npnet import backend, nn, optim
from npnet.base.arrays import Array
from npnet.lanes.layout import Lanes
from npnet.nn import functional as F
from npnet.tensor import Tensor
from tests.campaign import trials

THREADS = 4


@pytest.fixture(autouse=True)
def _free_running(numba: None) -> Iterator[None]:
    """Threads take turns every microsecond, not every 5 ms."""
    before = sys.getswitchinterval()
    sys.setswitchinterval(1e-6)
    yield
    sys.setswitchinterval(before)


class Crew:
    """Threads that begin at the same moment."""

    def __init__(self) -> None:
        self.pool = ThreadPoolExecutor(THREADS)

    def run(self, *calls: Callable[[], Any]) -> list[Any]:
        """What the calls return or raise, each made by a thread of its own."""
        start = threading.Barrier(len(calls))

        def begin(call: Callable[[], Any]) -> Any:
            start.wait(60)
            try:
                return call()
            except Exception as error:
                return error

        return [f.result(120) for f in [self.pool.submit(begin, call) for call in calls]]


@pytest.fixture(name="crew")
def _crew() -> Iterator[Crew]:
    crew = Crew()
    yield crew
    crew.pool.shutdown()


WEIGHT = np.random.default_rng(0).standard_normal((4, 3, 3, 3), dtype=np.float32)
IMAGES = np.random.default_rng(1).standard_normal((20, 3, 6, 6), dtype=np.float32)


def in_lanes(seed: int) -> Tensor:
    """Images (20, 4, 4, 4) as a kernel leaves them; by seed computed, or waiting for it."""
    y = F.conv2d(npnet.as_tensor(IMAGES), npnet.as_tensor(WEIGHT))
    if seed % 3 == 1:
        y = y.relu()
    if seed % 3 == 2:
        y = F.batch_norm(y, None, None, npnet.ones(4), npnet.zeros(4), training=True)
    assert isinstance(y.values, Lanes)
    return y


LOOKS: list[Callable[[Tensor], Array]] = [
    lambda x: x.array,
    lambda x: x.numpy(),
    lambda x: x.detach().array,
    lambda x: x.data.array,
    lambda x: x.view(x.shape).array,
]
VIEWS: list[tuple[Callable[[Any], Any], Callable[[Any], Any]]] = [  # of a tensor, of an array
    (lambda x: x.flatten(1), lambda a: a.reshape(20, 64)),
    (lambda x: x[:, 1:3], lambda a: a[:, 1:3]),
    (lambda x: x.flatten(1)[:, 3:], lambda a: a.reshape(20, 64)[:, 3:]),
    (lambda x: x[:, :, ::2].view(20, 4, 2, 4), lambda a: a[:, :, ::2]),
]


@pytest.mark.campaign
def test_a_tensor_and_its_views_stay_on_one_memory(crew: Crew) -> None:
    """Looked at by several threads at once, in every way, and written to right after."""
    rng = np.random.default_rng(0)
    for trial in range(trials(100, 3_000)):
        x = in_lanes(trial)
        expected = in_lanes(trial).numpy().copy()
        chosen = [VIEWS[i] for i in rng.integers(len(VIEWS), size=3)]
        tensors = [x, *[view(x) for view, _ in chosen]]
        places = [lambda a: a, *[look for _, look in chosen]]
        looks = [LOOKS[i] for i in rng.integers(len(LOOKS), size=4)]
        seen = crew.run(*[lambda f=f, t=t: f(t) for f, t in zip(looks, tensors, strict=True)])
        x.add_(1)
        for place, array, tensor in zip(places, seen, tensors, strict=True):
            assert isinstance(array, np.ndarray), array
            assert np.shares_memory(array, x.array)
            np.testing.assert_array_equal(array, place(expected) + 1)
            np.testing.assert_array_equal(tensor.numpy(), place(expected) + 1)


@pytest.mark.campaign
def test_views_are_made_while_others_look_and_write(crew: Crew) -> None:
    """Whoever comes first, all that were made are views of what is there in the end."""
    rng = np.random.default_rng(1)
    for trial in range(trials(100, 3_000)):
        x = in_lanes(trial)
        expected = in_lanes(trial).numpy() + 1
        (first, place), (second, other) = [VIEWS[i] for i in rng.integers(len(VIEWS), size=2)]
        calls: list[Callable[[], Any]] = [
            lambda x=x, view=first: view(x),
            lambda x=x, view=second: view(x),
            lambda x=x: x.add_(1),
            lambda x=x: x.numpy(),
        ]
        a, b, written, array = crew.run(*calls)
        assert written is x, written
        for view, look in ((a, place), (b, other), (npnet.as_tensor(array), lambda a: a)):
            np.testing.assert_array_equal(view.relu().numpy(), look(expected).clip(0))
            np.testing.assert_array_equal(view.numpy(), look(expected))
            assert np.shares_memory(view.array, x.array)


@pytest.mark.campaign
def test_waiting_values_are_used_by_several_at_once(crew: Crew) -> None:
    """A batch norm's result, which the next op may compute together with its own."""
    uses: list[Callable[[Tensor], Tensor]] = [
        lambda y: y.relu(),
        lambda y: y + in_lanes(0),
        lambda y: y.flatten(1),
        lambda y: (y + in_lanes(0)).relu(),
    ]
    expected = [use(in_lanes(2)).numpy().tobytes() for use in uses]
    for _ in range(trials(60, 3_000)):
        y = in_lanes(2)
        found = crew.run(*[lambda use=use, y=y: use(y).numpy().tobytes() for use in uses])
        assert found == expected


@pytest.mark.campaign
def test_gradients_of_shared_parameters_are_added_up(crew: Crew) -> None:
    """As in PyTorch: several threads run backward on graphs of their own."""
    for _ in range(trials(50, 2_000)):
        p, q = (npnet.ones(200, 300, requires_grad=True) for _ in range(2))
        # Transposed, a gradient is copied, and this large, other threads run meanwhile.
        losses = [(k * p.t() * q.t() + q.t()).sum() for k in range(1, THREADS + 1)]
        assert crew.run(*[loss.backward for loss in losses]) == [None] * THREADS
        assert p.grad is not None
        assert q.grad is not None
        assert (p.grad.numpy() == 10).all()
        assert (q.grad.numpy() == 10 + THREADS).all()


@pytest.mark.campaign
def test_gradients_that_arrive_together_are_added_up(crew: Crew) -> None:
    """The first of them too, which is kept and not added."""
    p, g = npnet.ones(200, 300, requires_grad=True), np.ones((300, 200), np.float32).T
    for _ in range(trials(50, 5_000)):
        p.grad = None
        assert crew.run(*[lambda: p._accumulate(g)] * THREADS) == [None] * THREADS
        grad: Any = p.grad
        assert (grad.numpy() == THREADS).all()


@pytest.mark.campaign
def test_one_graph_is_gone_through_by_several(crew: Crew) -> None:
    """Right with retain_graph; without it right, or an error that says what is missing."""
    images, weight = npnet.as_tensor(IMAGES), npnet.tensor(WEIGHT, requires_grad=True)
    F.conv2d(images, weight).relu().sum().backward()
    assert weight.grad is not None
    once = weight.grad.numpy().copy()
    for trial in range(trials(40, 3_000)):
        weight.grad = None
        loss = F.conv2d(images, weight).relu().sum()
        retain = trial % 2 == 0
        results = crew.run(*[lambda y=loss, r=retain: y.backward(retain_graph=r)] * THREADS)
        wrong = [r for r in results if r is not None]
        assert all(isinstance(e, RuntimeError) and "already gone through" in str(e) for e in wrong)
        assert len(wrong) < THREADS
        assert not (retain and wrong)
        grad: Any = weight.grad
        times = THREADS - len(wrong)
        np.testing.assert_allclose(grad.numpy(), times * once, rtol=1e-6, atol=1e-4)


@pytest.mark.campaign
def test_a_view_takes_on_its_bases_history_once(crew: Crew) -> None:
    for _ in range(trials(100, 10_000)):
        leaf = npnet.ones(6, requires_grad=True)
        base = leaf * 1
        view = base[2:4]
        base.mul_(5)
        found = crew.run(*[lambda v=view: ((v * 2).sum(), v.grad_fn)] * THREADS)
        assert len({id(node) for _, node in found}) == 1
        for y, _ in found:
            leaf.grad = None
            y.backward(retain_graph=True)
            grad: Any = leaf.grad
            assert grad.tolist() == [0, 0, 10, 10, 0, 0]


@pytest.mark.campaign
def test_no_write_goes_uncounted(crew: Crew) -> None:
    x, times = npnet.zeros(3), trials(500, 20_000)

    def write() -> None:
        for _ in range(times):
            x.detach().add_(0)

    assert crew.run(*[write] * THREADS) == [None] * THREADS
    assert x._version.writes == THREADS * times


def network() -> nn.Module:
    npnet.manual_seed(0)
    return nn.Sequential(
        nn.Conv2d(3, 6, 3, padding=1), nn.BatchNorm2d(6), nn.ReLU(), nn.MaxPool2d(2),
        nn.Conv2d(6, 8, 3), nn.Tanh(), nn.Flatten(), nn.Linear(8, 10),
    )  # fmt: skip


def train(seed: int, steps: int) -> bytes:
    """The weights after some steps, by an optimizer that goes with the seed."""
    model = networks[seed]
    rules: list[Callable[[Any], optim.Optimizer]] = [
        lambda p: optim.SGD(p, lr=0.1, momentum=0.9),
        optim.Adam,
        optim.RMSprop,
        optim.AdamW,
    ]
    optimizer, rng = rules[seed % len(rules)](model.parameters()), np.random.default_rng(seed)
    for _ in range(steps):
        n = int(rng.integers(3, 40))
        x = npnet.tensor(rng.standard_normal((n, 3, 6, 6), dtype=np.float32))
        optimizer.zero_grad()
        F.cross_entropy(model(x), npnet.tensor(np.arange(n) % 10)).backward()
        optimizer.step()
    return b"".join(v.numpy().tobytes() for v in model.state_dict().values())


networks: dict[int, nn.Module] = {}


@pytest.mark.campaign
def test_threads_train_models_of_their_own(crew: Crew) -> None:
    """Whatever the others do meanwhile, a run gives the bits that it gives alone."""
    steps = trials(5, 100)
    for _ in range(trials(1, 3)):
        networks.update({k: network() for k in range(THREADS)})
        expected = [train(k, steps) for k in range(THREADS)]
        networks.update({k: network() for k in range(THREADS)})
        assert crew.run(*[lambda k=k: train(k, steps) for k in range(THREADS)]) == expected


@pytest.mark.campaign
def test_threads_share_a_model_for_inference(crew: Crew) -> None:
    model, times = network().eval(), trials(20, 1_000)
    compiled = npnet.compile(network().eval())
    batches = [npnet.as_tensor(IMAGES[: 3 + 5 * k]) for k in range(THREADS)]
    with npnet.no_grad():
        expected = [model(x).numpy().tobytes() for x in batches]
        fast = [compiled(x).numpy().tobytes() for x in batches]

    def infer(k: int) -> bool:
        assert npnet.is_grad_enabled()  # the mode belongs to the thread
        with npnet.no_grad():
            eager = {model(batches[k]).numpy().tobytes() for _ in range(times)}
            return eager == {expected[k]} and {
                compiled(batches[k]).numpy().tobytes() for _ in range(times)
            } == {fast[k]}

    with npnet.no_grad():
        assert crew.run(*[lambda k=k: infer(k) for k in range(THREADS)]) == [True] * THREADS


def test_the_default_generator_gives_no_number_twice(crew: Crew) -> None:
    npnet.manual_seed(0)
    alone = sorted(npnet.rand(1).item() for _ in range(400))
    npnet.manual_seed(0)
    drawn = crew.run(*[lambda: [npnet.rand(1).item() for _ in range(100)]] * THREADS)
    assert sorted(x for numbers in drawn for x in numbers) == alone


def test_a_backend_is_chosen_while_another_thread_asks(monkeypatch: pytest.MonkeyPatch) -> None:
    """The choice holds, whichever was first: the answer is not kept from before it."""
    chooser = threading.Thread(target=backend.set_backend, args=("numpy",))

    def has_kernels() -> bool:
        if chooser.ident is None:
            chooser.start()
            chooser.join(0.1)  # time to choose, if nothing holds it
        return True

    backend.set_backend("auto")
    monkeypatch.setattr(backend, "_has_kernels", has_kernels)
    backend.uses_kernels()
    chooser.join()
    assert backend.get_backend() == "numpy"
