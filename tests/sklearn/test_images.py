"""Samples of more axes than one: given so, or flat."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from npnet import nn, transforms
from npnet.base.arrays import Array
from npnet.models import LeNet5
from npnet.sklearn import NeuralNetClassifier
from tests.sklearn import networks


def net(module: Any, **options: Any) -> NeuralNetClassifier:
    return NeuralNetClassifier(module, **{"epochs": 2, "random_state": 0, **options})


@pytest.mark.parametrize("module", [networks.Images, "mlp"])
@pytest.mark.parametrize("dtype", [np.float64, np.float32])
def test_all_forms_of_images_are_the_same(
    module: Any, dtype: Any, few: tuple[Array, Array]
) -> None:
    x, y = few[0].astype(dtype), few[1]
    forms = [x.reshape(-1, 8, 8), x.reshape(-1, 1, 8, 8), x.reshape(-1, 8, 8).tolist()]
    want = net(module, sample_shape=(1, 8, 8)).fit(x, y)
    assert (want.n_features_in_, want.sample_shape_) == (64, (1, 8, 8))
    for form in forms[: 2 if dtype == np.float32 else 3]:
        model = net(module).fit(form, y)
        assert (model.n_features_in_, model.sample_shape_) == (64, (1, 8, 8))
        for other in (x, *forms[:2]):
            np.testing.assert_array_equal(model.predict_proba(other), want.predict_proba(x))


def test_images_of_colours(few: tuple[Array, Array]) -> None:
    x, y = few
    model = net(networks.Images).fit(x.reshape(-1, 4, 4, 4), y)
    assert model.module_.conv.in_channels == 4
    with pytest.raises(ValueError, match=r"shape \(8, 8\), but those of fit had \(4, 4, 4\)"):
        model.predict(x.reshape(-1, 8, 8))


def test_a_network_by_name_gets_images_of_its_size(few: tuple[Array, Array]) -> None:
    x, y = few[0].astype(np.float32).reshape(-1, 8, 8), few[1]
    model = net("lenet5").fit(x, y)
    assert isinstance(model.module_, LeNet5)
    assert model.sample_shape_ == (1, 8, 8)
    large = transforms.Resize(32).transform(x[:, None])
    other = net(LeNet5).fit(large, y)
    np.testing.assert_array_equal(model.predict_proba(x), other.predict_proba(large))


def test_signals(few: tuple[Array, Array]) -> None:
    x, y = few
    module = nn.Sequential(nn.Conv1d(2, 3, 5), nn.Flatten(), nn.LazyLinear(3))
    model = net(module, sample_shape=(2, 32)).fit(x.reshape(-1, 2, 32), y)
    assert model.predict(x).shape == y.shape


def test_augmentation_is_of_training_alone_and_follows_the_seed(few: tuple[Array, Array]) -> None:
    x, y = few[0].astype(np.float32).reshape(-1, 8, 8), few[1]
    shift = transforms.RandomCrop(8, padding=1).transform
    models = [net("mlp", augment=shift, epochs=4).fit(x, y) for _ in range(2)]
    assert (net("mlp", epochs=4).fit(x, y).predict_proba(x) != models[0].predict_proba(x)).any()
    np.testing.assert_array_equal(*[model.predict_proba(x) for model in models])


def test_an_array_without_axes_or_with_one(few: tuple[Array, Array]) -> None:
    for x in (few[0][0], np.float64(3), []):
        with pytest.raises(ValueError, match=r"array"):
            net("mlp").fit(x, few[1])
