"""Programs of several ranks: the bits of one process, for any number of them."""

from __future__ import annotations

import threading
from collections.abc import Callable

import numpy as np
import pytest

import npnet
from npnet import models, nn, optim
from npnet.base import group
from npnet.base.parts import parts_of
from npnet.nn import functional as F
from npnet.nn.parallel import DistributedDataParallel
from tests.compiler import test_staged as staged
from tests.ranks import ThreadRank, on_ranks

pytestmark = pytest.mark.usefixtures("numba")

STEPS = 3
MPI_SUM = 1e-4  # of the largest weight: MPI's order of sums is another in each of a few steps


NETWORKS: dict[str, Callable[[], nn.Module]] = {
    **staged.NETWORKS,
    "lenet5": lambda: models.create("lenet5", in_channels=3),
    "convnet": lambda: models.create("convnet", in_channels=3),
}
SIZES = {"lenet5": (32, 32), "convnet": (28, 28)}


_making = threading.Lock()  # threads draw from one generator


def made(make: Callable[[], nn.Module], size: tuple[int, int]) -> nn.Module:
    """The network with the same weights each time."""
    with _making, npnet.no_grad():
        npnet.manual_seed(3)
        model = make()
        model.eval()(staged.batch(2, size)[0])  # lazy layers
    return model


def shared(model: nn.Module, rank: ThreadRank | None) -> nn.Module:
    """The network in a group that is this thread's, and not the process's."""
    if rank is None:
        return model
    wrapped = DistributedDataParallel.__new__(DistributedDataParallel)
    nn.Module.__init__(wrapped)
    wrapped.group, wrapped.module = rank, model
    return wrapped


def trained(
    name: str, batches: list[int], rank: ThreadRank | None, loss: Callable[..., npnet.Tensor]
) -> tuple[list[float], dict[str, np.ndarray], str | None]:
    """Losses, state and why it was not shared, after steps on batches of these sizes."""
    model = made(NETWORKS[name], SIZES.get(name, (16, 12))).train()
    rule = optim.SGD(model.parameters(), lr=0.02, momentum=0.9)
    step = npnet.compile(shared(model, rank), loss, rule)
    losses, unshared = [], None
    for n in batches * STEPS:
        x, y = staged.batch(n, SIZES.get(name, (16, 12)))
        target = F.one_hot(y, 10).float() if loss is F.mse_loss else y
        losses.append(step(x, target).item())
        unshared = unshared or step.unshared
    return losses, {k: v.numpy().copy() for k, v in model.state_dict().items()}, unshared


def check_same(ours: dict[str, np.ndarray], theirs: dict[str, np.ndarray]) -> None:
    for name, values in theirs.items():
        assert ours[name].tobytes() == values.tobytes(), name


@pytest.mark.parametrize("name", NETWORKS)
@pytest.mark.parametrize(("ranks", "n"), [(3, 128), (2, 56)])
def test_any_number_of_ranks_has_the_bits_of_one_process(name: str, ranks: int, n: int) -> None:
    one = trained(name, [n], None, F.cross_entropy)
    for losses, state, unshared in on_ranks(
        ranks, lambda rank: trained(name, [n], rank, F.cross_entropy)
    ):
        assert unshared is None
        assert losses == one[0]
        check_same(state, one[1])


def test_no_item_is_of_two_ranks_blocks() -> None:
    # a linear layer of the whole batch, in tiles of two blocks where the processor has room
    for name in ("biased", "convnet"):
        for ranks in (3, 4):
            found = on_ranks(
                ranks, lambda rank, name=name: trained(name, [80], rank, F.cross_entropy)
            )
            assert [unshared for _, _, unshared in found] == [None] * ranks


@pytest.mark.parametrize("name", ["cifar", "lenet5"])
def test_batches_with_fewer_parts_than_ranks_are_everybodys(name: str) -> None:
    batches = [64, 23]  # four parts, and two
    one = trained(name, batches, None, F.cross_entropy)
    for losses, state, unshared in on_ranks(
        4, lambda rank: trained(name, batches, rank, F.cross_entropy)
    ):
        assert unshared is not None
        assert losses == one[0]
        check_same(state, one[1])


def test_mean_squared_errors_are_shared_too() -> None:
    first, *_ = trained("lenet5", [64], None, F.mse_loss)
    for losses, _, unshared in on_ranks(2, lambda rank: trained("lenet5", [64], rank, F.mse_loss)):
        assert unshared is None
        assert losses == first


@pytest.mark.parametrize("name", ["cifar", "biased", "lenet5"])
def test_sums_in_mpis_order_differ_by_rounding_alone(name: str) -> None:
    one = trained(name, [64], None, F.cross_entropy)

    def work(rank: ThreadRank) -> tuple[dict[str, np.ndarray], str | None]:
        rank.sums = True
        _, state, unshared = trained(name, [64], rank, F.cross_entropy)
        return state, unshared

    (ours, unshared), (theirs, _) = on_ranks(2, work)
    assert unshared is None
    check_same(ours, theirs)
    for key, values in one[1].items():
        scale = max(1.0, float(np.abs(values).max()))
        np.testing.assert_allclose(ours[key], values, rtol=0, atol=MPI_SUM * scale, err_msg=key)


def test_a_sum_that_is_not_finite_is_seen_by_all_ranks() -> None:
    def work(rank: ThreadRank | None) -> tuple[float, str | None]:
        model = made(staged.cifar, (16, 12)).train()
        x, y = staged.batch(128)
        x = x.clone()
        x[100, 0, 3, 3] = float("nan")  # of the last rank's images alone
        rule = optim.SGD(model.parameters(), lr=0.02)
        step = npnet.compile(shared(model, rank), F.cross_entropy, rule)
        return step(x, y).item(), step.fallback

    for loss, fallback in on_ranks(2, work):
        assert np.isnan(loss)
        assert fallback == "a sum is not finite"


@pytest.mark.parametrize("what", ["batch", "weights"])
def test_ranks_that_are_given_other_numbers_are_told(what: str) -> None:
    def work(rank: ThreadRank) -> None:
        model = made(NETWORKS["lenet5"], (32, 32)).train()
        x, y = staged.batch(64, (32, 32))
        if rank.rank == 1 and what == "batch":
            y = y.flip(0)
        if rank.rank == 1 and what == "weights":
            with npnet.no_grad():
                model.get_parameter("conv1.weight").add_(1e-6)
        rule = optim.SGD(model.parameters(), lr=0.02)
        npnet.compile(shared(model, rank), F.cross_entropy, rule)(x, y)

    with pytest.raises(RuntimeError, match="rank 1 has another batch or other weights than rank 0"):
        on_ranks(2, work)


def test_a_model_alone_in_no_group_is_refused() -> None:
    assert group.current_group() is None
    with pytest.raises(RuntimeError, match=r"call npnet\.distributed\.init\(\) first"):
        DistributedDataParallel(nn.Linear(2, 2))


@pytest.mark.parametrize(
    ("images", "parts"), [(1, 1), (16, 1), (17, 2), (128, 8), (8192, 8), (16384, 16)]
)
def test_parts_follow_from_the_batch(images: int, parts: int) -> None:
    assert parts_of(images) == parts
