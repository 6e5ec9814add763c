"""The ordinary call of a model under `no_grad`: by a program that it finds itself, and never seen
to be, but for its speed and the last bits of what it gives."""

from __future__ import annotations

import copy
import gc
import pickle
import sys
import threading
import types
import warnings
import weakref
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import npnet
from npnet import models, nn, onnx
from npnet.base.grad_mode import state
from npnet.compiler import cache, serving
from npnet.compiler.serving import FIRST_WAIT, LONGEST_WAIT
from npnet.nn import functional as F
from npnet.nn.module import SERVING
from tests.compiler import test_watch as watched
from tests.compiler.test_changes import eagerly
from tests.compiler.test_step import NETWORKS, batch

pytestmark = pytest.mark.usefixtures("numba")

FLOAT32 = 2e-6  # as in test_step


def calls(model: Any, x: npnet.Tensor, count: int = FIRST_WAIT + 3) -> list[np.ndarray]:
    """What a model gives, called again and again: the last times by a program, if it has one."""
    with npnet.no_grad():
        return [model(x).numpy().copy() for _ in range(count)]


def served(model: Any) -> int:
    """How many calls the programs did that a model has now."""
    known = vars(model).get(SERVING)
    return 0 if known is None else known._served


def small(*others: nn.Module) -> nn.Sequential:
    return nn.Sequential(nn.Linear(6, 8), nn.ReLU(), nn.Linear(8, 4), *others).eval()


def features(n: int = 5, seed: int = 0) -> npnet.Tensor:
    rng = np.random.default_rng(seed)
    return npnet.from_numpy(rng.normal(size=(n, 6)).astype(np.float32))


def check_alike(got: np.ndarray, want: np.ndarray) -> None:
    np.testing.assert_allclose(got, want, rtol=0, atol=FLOAT32 * np.abs(want).max())


# ---- when there is a program -------------------------------------------------------------------


@pytest.mark.parametrize("name", NETWORKS)
@pytest.mark.parametrize("n", [1, 4, 17, 127])
def test_as_the_model(name: str, n: int) -> None:
    make, shape = NETWORKS[name]
    npnet.manual_seed(1)
    model = make().eval()
    x, _ = batch(shape, n)
    with npnet.no_grad():
        want = eagerly(model)(x).numpy()
    got = calls(model, x)
    assert served(model) == 3
    for y in got:
        check_alike(y, want)


@pytest.mark.parametrize("context", [npnet.no_grad, npnet.inference_mode])
def test_it_is_that_of_compile(context: Any) -> None:
    model, x = small(), features()
    with context():
        want = npnet.compile(model)(x).numpy()
        for _ in range(FIRST_WAIT):
            model(x)
        np.testing.assert_array_equal(model(x).numpy(), want)
    (reading,) = vars(model)[SERVING]._programs._readings.values()
    assert len(reading._programs) == 1


def test_where_it_is_looked_for() -> None:
    x, model = features(), small()
    for _ in range(2 * FIRST_WAIT):  # recorded
        model(x)
    model.train()
    calls(model, x)
    model.eval()
    calls(model, x, FIRST_WAIT)  # once too few
    for n in range(1, FIRST_WAIT):
        calls(model, features(n + 10), 1)
    assert served(model) == 0
    for module in (nn.Linear(6, 4).eval(), npnet.compile(small())):
        calls(module, x)
        assert served(module) == 0
    calls(model, x, 1)
    assert served(model) == 1


def test_a_part_of_a_model_is_none() -> None:
    class Branching(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.part = small()

        def forward(self, x: npnet.Tensor) -> npnet.Tensor:
            return self.part(x) if len(x) else x

    model = Branching().eval()
    calls(model, features(), 5 * FIRST_WAIT)
    assert SERVING not in vars(model.part)


def test_a_frozen_part_of_one_in_training_is_served() -> None:
    class Frozen(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.part, self.head = small(), nn.Linear(4, 2)

        def forward(self, x: npnet.Tensor) -> npnet.Tensor:
            with npnet.no_grad():
                x = self.part(x)
            return self.head(x)

    model = Frozen()
    outputs = [model(features()) for _ in range(FIRST_WAIT + 2)]
    assert served(model.part) == 2
    assert all(y.requires_grad for y in outputs)
    check_alike(outputs[-1].detach().numpy(), outputs[0].detach().numpy())


def test_many_shapes_are_not_counted_for_ever() -> None:
    model = small()
    for n in range(1, 3 * serving.COUNTED):
        calls(model, features(n), 1)
        assert len(vars(model)[SERVING]._left) <= serving.COUNTED


def test_large_programs_are_not_kept(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(serving, "UNASKED", 1)
    model, x = small(), features()
    calls(model, x, 3 * FIRST_WAIT)
    assert served(model) == 0
    (reading,) = vars(model)[SERVING]._programs._readings.values()
    assert not reading._programs


@pytest.fixture
def attempts(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """A list that grows by one at each attempt to find a program."""
    seen: list[int] = []
    before = cache.Programs.of

    def of(self: cache.Programs, model: nn.Module, x: Any) -> Any:
        seen.append(1)
        return before(self, model, x)

    monkeypatch.setattr(cache.Programs, "of", of)
    return seen


def test_a_model_without_one_is_soon_left_alone(attempts: list[int]) -> None:
    model = nn.Sequential(nn.Linear(6, 8), nn.BatchNorm1d(8)).eval()
    calls(model, features(), 4 * LONGEST_WAIT)
    assert len(attempts) < 12
    with warnings.catch_warnings():
        warnings.simplefilter("error")  # nobody asked
        calls(model, features())


def test_a_model_that_always_changes_is_soon_left_alone(attempts: list[int]) -> None:
    model, x = small(), features()
    with npnet.no_grad():
        for i in range(20 * FIRST_WAIT):
            model[0].weight.data = model[0].weight.data * 0.99
            want, got = eagerly(model)(x).numpy(), model(x).numpy()
            check_alike(got, want)
            assert i < FIRST_WAIT or served(model) <= 1
    assert len(attempts) <= 5


def test_one_that_changes_now_and_then_has_its_program_again(attempts: list[int]) -> None:
    model, x = small(), features()
    for _ in range(5):
        model[0].weight.data = model[0].weight.data * 0.99
        calls(model, x, 4 * FIRST_WAIT)
        assert served(model) > 2 * FIRST_WAIT
    assert len(attempts) == 5


# ---- nothing else changes ----------------------------------------------------------------------


@pytest.mark.parametrize("name", [*watched.COMPILED, *watched.EAGER])
def test_code_of_the_user_s(name: str) -> None:
    """Outputs, and whatever the code writes, counts and draws, after each of many calls."""
    forward = watched.COMPILED.get(name) or watched.EAGER[name][0]
    seen: list[list[Any]] = []
    for way in (eagerly, lambda model: model):
        npnet.manual_seed(0)
        watched.random.seed(0)
        np.random.seed(0)  # noqa: NPY002 # as users draw
        watched.NUMBERS = watched.itertools.count()
        model = watched.subject(forward)().eval()
        watched.HEADS[:] = [model.b]
        model(features())  # "recording" draws only without
        run, values, x = way(model), [], features()
        for _ in range(4 * FIRST_WAIT):
            with npnet.no_grad():
                values.append(run(x).numpy().copy())
            values += [np.asarray(model.calls), model.counted.numpy().copy(), x.numpy().copy()]
            values += [p.detach().numpy().copy() for p in model.parameters()]
        values += [np.asarray(watched.random.random()), np.random.random()]  # noqa: NPY002
        seen.append(values)
    assert served(model) == (3 * FIRST_WAIT if name in watched.COMPILED else 0)
    for got, want in zip(seen[1], seen[0], strict=True):
        np.testing.assert_allclose(got, want, rtol=0, atol=watched.FLOAT32)


LOG: list[Any] = []


def note(x: npnet.Tensor) -> npnet.Tensor:
    LOG.append(x.shape)
    return x


SIDE_EFFECTS: dict[str, Callable[[Any, Any], Any]] = {
    "a list": lambda self, x: LOG.append(1),
    "a list of the model's": lambda self, x: self.log.append(1),
    "a helper": lambda self, x: note(x),
    "a number": lambda self, x: setattr(self, "count", self.count + 1),
    "printing": lambda self, x: print("called"),
    "writing": lambda self, x: sys.stdout.write("called\n"),
    "a warning": lambda self, x: warnings.warn("called", UserWarning, stacklevel=1),
    "a seed": lambda self, x: npnet.manual_seed(3),
    "a state of the generator": lambda self, x: npnet.set_rng_state(self.state),
    "a number of threads": lambda self, x: npnet.set_num_threads(1),
    "a switch": lambda self, x: npnet.set_grad_enabled(False),
    "how to print": lambda self, x: npnet.set_printoptions(precision=3),
    "a buffer": lambda self, x: self.register_buffer("seen", x),
    "a hook": lambda self, x: self.a.register_forward_hook(lambda *a: LOG.append(1)),
    "a file": lambda self, x: npnet.save(x, self.file),
}


@pytest.mark.parametrize("name", SIDE_EFFECTS)
def test_side_effects_happen_at_each_call(
    name: str, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    kind = watched.subject(lambda self, x: (SIDE_EFFECTS[name](self, x), self.b(self.a(x)))[1])
    LOG.clear()
    model = kind().eval()
    model.log, model.count, model.file = [], 0, str(tmp_path / "x.npt")
    model.state = npnet.get_rng_state()
    grad, threads = npnet.is_grad_enabled(), npnet.get_num_threads()
    n = 2 * FIRST_WAIT
    drawn = []
    try:
        with warnings.catch_warnings(record=True) as caught:
            warnings.simplefilter("always")
            for _ in range(n):
                calls(model, features(), 1)
                drawn.append(npnet.rand(1).item())
                (tmp_path / "x.npt").unlink(missing_ok=name != "a file")
    finally:
        npnet.set_grad_enabled(grad)
        npnet.set_num_threads(threads)
        npnet.set_printoptions(profile="default")
    assert served(model) == 0
    effects = {
        "a list": len(LOG),
        "a list of the model's": len(model.log),
        "a helper": len(LOG),
        "a number": model.count,
        "printing": capsys.readouterr().out.count("called"),
        "a warning": sum(str(w.message) == "called" for w in caught),
    }
    effects["writing"] = effects["printing"]
    assert effects.get(name, n) == n
    if name in ("a seed", "a state of the generator"):
        assert len(set(drawn)) == 1
    if name == "a hook":  # one more at each call
        assert len(LOG) == n * (n + 1) // 2


CHANGES: dict[str, Callable[[Any], Any]] = {
    "a hook of all modules": lambda c: c.add(
        nn.module.register_module_forward_hook(lambda m, args, y: y * 2)
    ),
    "a hook of a part": lambda c: c.add(c.model.a.register_forward_hook(lambda m, a, y: y * 2)),
    "a hook of its own": lambda c: c.add(c.model.register_forward_hook(lambda m, a, y: y * 2)),
    "a hook before": lambda c: c.add(
        c.model.b.register_forward_pre_hook(lambda m, args: (args[0] + 1,))
    ),
    "a call of its class's own": lambda c: c.patch.setattr(
        type(c.model), "__call__", lambda self, x: nn.Module.__call__(self, x) * 2, raising=False
    ),
    "the call of all modules": lambda c: c.patch.setattr(
        nn.Module, "__call__", lambda self, x, call=nn.Module.__call__: call(self, x) + 1
    ),
    "a weight written through NumPy": lambda c: c.model.a.weight.detach().numpy().fill(0.5),
    "tied weights": lambda c: setattr(c.model.b, "weight", c.model.c.weight),
    "another dtype": lambda c: c.model.double(),
    "a part in training": lambda c: c.model.a.train(),
    "the backend": lambda c: npnet.set_backend("numpy"),
    "a forward of its own": lambda c: setattr(
        c.model, "forward", types.MethodType(lambda self, x: self.c(self.a(x)), c.model)
    ),
}


@pytest.mark.parametrize("name", {**watched.CHANGES, **CHANGES})
def test_a_change_between_calls_is_seen(name: str) -> None:
    if name in watched.CHANGES:
        change, forward = watched.CHANGES[name]
    else:
        change, forward = CHANGES[name], lambda self, x: self.b(F.relu(self.a(x)))
    model, x = watched.subject(forward)().eval(), features()
    calls(model, x)
    assert served(model) > 0
    handles: list[Any] = []
    with pytest.MonkeyPatch.context() as patch:
        change(types.SimpleNamespace(model=model, patch=patch, add=handles.append))
        if name == "another dtype":
            x = x.double()
        with npnet.no_grad():
            want = eagerly(model)(x).numpy()
        for got in calls(model, x, 3 * FIRST_WAIT):
            np.testing.assert_allclose(got, want, rtol=0, atol=watched.FLOAT32)
    for handle in handles:
        handle.remove()
    x = x.float()
    model.float()
    with npnet.no_grad():
        want = eagerly(model)(x).numpy()
    for got in calls(model, x, FIRST_WAIT):
        np.testing.assert_allclose(got, want, rtol=0, atol=watched.FLOAT32)


def test_other_calls_are_the_model_s() -> None:
    class Two(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.part = small()

        def forward(self, x: Any, other: Any = None) -> Any:
            return (self.part(x), other)

    model, x = Two().eval(), features()
    with npnet.no_grad():
        for _ in range(2 * FIRST_WAIT):
            assert model(x, 3)[1] == 3
            assert model(x, other=4)[1] == 4
            assert model(x=x)[1] is None
        with pytest.raises(TypeError, match="argument"):
            model()
    assert SERVING not in vars(model)


def test_none_is_a_result_too() -> None:
    class Nothing(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.part, self.count = small(), 0

        def forward(self, x: npnet.Tensor) -> None:
            self.count += 1

    for model in (Nothing().eval(), npnet.compile(Nothing().eval())):
        with npnet.no_grad(), warnings.catch_warnings():
            warnings.simplefilter("ignore", UserWarning)  # why there is no program
            for _ in range(2 * FIRST_WAIT):
                assert model(features()) is None
        assert model.count == 2 * FIRST_WAIT


def test_errors_are_the_model_s_and_come_once() -> None:
    class Failing(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.part, self.count = small(), 0

        def forward(self, x: npnet.Tensor) -> npnet.Tensor:
            self.count += 1
            raise RuntimeError(f"number {self.count}")

    model = Failing().eval()
    with npnet.no_grad():
        for i in range(3 * FIRST_WAIT):
            with pytest.raises(RuntimeError, match=f"^number {i + 1}$"):
                model(features())
    assert not state.inside


def test_an_error_of_ours_is_not_told(monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(*args: Any) -> None:
        raise MemoryError

    monkeypatch.setattr(cache, "trace", fail)
    model, x = small(), features()
    with npnet.no_grad():
        want = eagerly(model)(x).numpy()
    for got in calls(model, x, 4 * FIRST_WAIT):
        np.testing.assert_array_equal(got, want)


def test_what_is_written_to_an_output_stays_there() -> None:
    model, x = nn.Sequential(nn.Flatten(), nn.Identity()).eval(), npnet.ones(2, 3, 4, 4)
    for _ in range(3 * FIRST_WAIT):  # its output lies on the memory of its input
        with npnet.no_grad():
            model(x).add_(1)
    assert (x.numpy() == 1 + 3 * FIRST_WAIT).all()
    model, x = small(), features()
    kept = calls(model, x)[-1]
    with npnet.no_grad():
        y = model(x)
        y.zero_()
        np.testing.assert_array_equal(model(x).numpy(), kept)


def test_values_that_are_not_finite() -> None:
    model, (x, _) = models.create("lenet").eval(), batch((1, 32, 32), 2)
    calls(model, x)
    x.array[0, 0, 5, 5] = np.nan
    with npnet.no_grad():
        y = model(x).numpy()
    assert served(model) == 4
    assert np.isnan(y[0]).all()
    assert np.isfinite(y[1]).all()


# ---- those who look on -------------------------------------------------------------------------


@pytest.mark.parametrize("put", [sys.setprofile, sys.settrace])
def test_a_profiler_and_a_debugger_see_every_layer(put: Any) -> None:
    get = {sys.setprofile: sys.getprofile, sys.settrace: sys.gettrace}[put]
    model, x, before, seen = small(), features(), get(), []

    def observer(frame: Any, event: str, arg: Any) -> None:
        if event == "call" and frame.f_code is nn.Linear.forward.__code__:
            seen.append(1)

    calls(model, x)
    assert served(model) > 0
    put(observer)
    try:
        calls(model, x)
    finally:
        put(before)
    assert len(seen) == 2 * (FIRST_WAIT + 3)


def test_an_export_after_calls(tmp_path: Path) -> None:
    model, x = models.create("lenet").eval(), batch((1, 32, 32), 1)[0]
    want = calls(model, x)[-1]
    onnx.export(model, x, tmp_path / "model.onnx")
    check_alike(calls(onnx.load(tmp_path / "model.onnx"), x, 1)[0], want)


# ---- threads and signals -----------------------------------------------------------------------


def test_threads_serve_one_model() -> None:
    """Batches of several sizes from four threads, while a program is made and when it is there."""
    model = models.create("lenet4").eval()
    images = [batch((1, 32, 32), n)[0] for n in (1, 2, 20, 40)]
    with npnet.no_grad():
        want = [eagerly(model)(x).numpy() for x in images]

    def run(i: int) -> np.ndarray:
        return calls(model, images[i % 4], 1)[0]

    with ThreadPoolExecutor(4) as pool:
        for i, got in enumerate(pool.map(run, range(300))):
            check_alike(got, want[i % 4])
    assert served(model) > 50


def test_no_thread_waits_for_one_that_reads(monkeypatch: pytest.MonkeyPatch) -> None:
    """A forward pass that waits for another thread, which calls the same model."""
    monkeypatch.setattr(serving, "LONG", 0.01)

    class Waiting(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.part = small()

        def forward(self, x: npnet.Tensor) -> npnet.Tensor:
            if threading.current_thread() is threading.main_thread():
                thread = threading.Thread(target=calls, args=(self, x, 1))
                thread.start()
                thread.join(20)
                assert not thread.is_alive()
            return self.part(x)

    calls(Waiting().eval(), features(), 3 * FIRST_WAIT)


def test_a_call_in_the_middle_of_a_call(monkeypatch: pytest.MonkeyPatch) -> None:
    """A signal's handler calls the model between the steps of a program's run."""
    model, x, other = small(), features(), features(seed=1)
    want, want_other = calls(model, x)[-1], calls(model, other)[-1]
    inner: list[np.ndarray] = []

    def handler(*_: Any) -> None:
        for forward in (model, npnet.compile(model)):
            inner.append(calls(forward, other, 1)[0])

    (reading,) = vars(model)[SERVING]._programs._readings.values()
    (program,) = reading._programs.values()
    bind = program.bind

    def interrupted(x: Any) -> None:
        bind(x)
        handler()

    monkeypatch.setattr(program, "bind", interrupted)
    got = calls(model, x, 1)[0]
    np.testing.assert_array_equal(got, want)
    assert len(inner) == 2
    for y in inner:
        check_alike(y, want_other)


def test_an_interrupted_reading(monkeypatch: pytest.MonkeyPatch) -> None:
    def interrupt(*args: Any) -> None:
        raise KeyboardInterrupt

    model, x = small(), features()
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(cache, "trace", interrupt)
        with pytest.raises(KeyboardInterrupt):
            calls(model, x)
    assert not state.inside
    want = calls(model, x, 1)[0]
    check_alike(calls(model, x, 4 * FIRST_WAIT)[-1], want)
    assert served(model) > 0


# ---- memory and copies -------------------------------------------------------------------------


def test_all_goes_with_the_model() -> None:
    """At once: no cycle has to wait for the collector."""
    model, x = small(), features()
    calls(model, x)
    (reading,) = vars(model)[SERVING]._programs._readings.values()
    references = [weakref.ref(o) for o in (model, reading, *reading._programs.values(), x)]
    gc.disable()
    try:
        del model, reading, x
        assert [r() for r in references] == [None] * len(references)
    finally:
        gc.enable()


def test_a_patched_model_goes_with_the_collector() -> None:
    model, x = small(), features()
    model.forward = types.MethodType(lambda self, x: self[2](self[0](x)), model)
    calls(model, x)
    assert served(model) > 0
    reference = weakref.ref(model)
    del model
    gc.collect()
    assert reference() is None


def test_a_program_does_not_hold_the_batch() -> None:
    model, x = small(), features()
    calls(model, x)
    reference = weakref.ref(x.numpy())
    del x
    gc.collect()
    assert reference() is None


@pytest.mark.parametrize("way", [copy.copy, copy.deepcopy, lambda m: pickle.loads(pickle.dumps(m))])
def test_copies_begin_anew(way: Any) -> None:
    model, x = small(), features()
    calls(model, x)
    other = way(model)
    assert SERVING not in vars(other)
    other[0] = nn.Linear(6, 8).eval()  # of both, where `copy.copy` copies no tables
    for one in (other, model):
        with npnet.no_grad():
            want = eagerly(one)(x).numpy()
        for got in calls(one, x, 3 * FIRST_WAIT):
            check_alike(got, want)
        assert served(one) > 0


def test_attributes_shared_by_hand() -> None:
    """Another model with the same attributes, and then its own parts."""
    model, x = small(), features()
    calls(model, x)
    other = nn.Sequential().eval()
    vars(other).update(vars(model))
    other._modules = dict(model._modules)
    other[0] = nn.Linear(6, 8).eval()
    for one in (other, model):
        with npnet.no_grad():
            want = eagerly(one)(x).numpy()
        for got in calls(one, x):
            check_alike(got, want)


class Kept(nn.Sequential):
    def __getstate__(self) -> Any:
        return self.__dict__.copy()


def test_a_state_of_the_user_s_own() -> None:
    model, x = Kept(*small()).eval(), features()
    want = calls(model, x)[-1]
    other = pickle.loads(pickle.dumps(model))
    assert vars(other)[SERVING] is None
    np.testing.assert_array_equal(calls(other, x)[-1], want)
    assert served(other) == 3
