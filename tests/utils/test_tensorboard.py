"""What SummaryWriter writes, read back by TensorBoard's own reader."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import npnet
from npnet import nn
from npnet.utils.tensorboard import SummaryWriter

event_accumulator = pytest.importorskip("tensorboard.backend.event_processing.event_accumulator")
tensor_util = pytest.importorskip("tensorboard.util.tensor_util")


def read(folder: Path) -> Any:
    everything = dict.fromkeys(event_accumulator.DEFAULT_SIZE_GUIDANCE, 0)
    events = event_accumulator.EventAccumulator(str(folder), everything)
    events.Reload()
    return events


def test_numbers_and_texts(tmp_path: Path) -> None:
    loss = npnet.tensor(0.5, requires_grad=True) * 2
    with SummaryWriter(tmp_path) as writer:
        assert writer.log_dir == writer.get_logdir() == str(tmp_path)
        for step, value in enumerate((loss, np.float32(2), 3, npnet.ones(1, 1))):
            writer.add_scalar("loss", value, step)
        writer.add_scalar("new", loss, 7, new_style=True, double_precision=True)
        writer.add_text("text", "some *text*", 1)
        writer.add_tensor("tensor", npnet.arange(6.0).reshape(2, 3))
        writer.add_scalars("both", {"a": loss, "b": 2}, 3)
        with pytest.raises(AssertionError, match=r"one number, got shape \(2,\)"):
            writer.add_scalar("many", npnet.ones(2))
    events = read(tmp_path)
    assert [(e.step, e.value) for e in events.Scalars("loss")] == [(0, 1), (1, 2), (2, 3), (3, 1)]
    (new,) = events.Tensors("new")
    assert (new.step, tensor_util.make_ndarray(new.tensor_proto)) == (7, np.float64(1))
    array = tensor_util.make_ndarray(events.Tensors("tensor")[0].tensor_proto)
    np.testing.assert_array_equal(array, np.arange(6, dtype=np.float32).reshape(2, 3))
    assert b"some *text*" in events.Tensors("text/text_summary")[0].tensor_proto.string_val[0]
    assert read(tmp_path / "both_a").Scalars("both")[0].value == 1


def test_arrays(tmp_path: Path) -> None:
    values = npnet.randn(1000)
    with SummaryWriter(str(tmp_path)) as writer:
        writer.add_histogram("weights", nn.Parameter(values), 2)
        writer.add_image("one", npnet.rand(3, 5, 7), 1)
        writer.add_image("grey", npnet.rand(5, 7), dataformats="HW")
        writer.add_images("many", [npnet.rand(1, 5, 7) for _ in range(4)])
        writer.add_images("batch", npnet.rand(4, 3, 5, 7))
        writer.add_image_with_boxes("boxes", npnet.rand(3, 20, 20), npnet.tensor([[1, 2, 9, 9.0]]))
        writer.add_pr_curve("pr", npnet.tensor([0, 1, 1]), npnet.tensor([0.2, 0.7, 0.9]), 3)
        writer.add_mesh("mesh", npnet.rand(1, 4, 3), faces=npnet.tensor([[[0, 1, 2]]]))
    events = read(tmp_path)
    (histogram,) = events.Histograms("weights")
    assert histogram.step == 2
    assert histogram.histogram_value.num == 1000
    assert histogram.histogram_value.sum == pytest.approx(float(values.sum()), rel=1e-4)
    sizes = {
        tag: (events.Images(tag)[0].width, events.Images(tag)[0].height)
        for tag in events.Tags()["images"]
    }
    assert sizes["one"] == sizes["grey"] == (7, 5)
    assert {"many", "batch", "boxes"} <= sizes.keys()
    assert events.Tensors("pr")[0].step == 3
    assert any(tag.startswith("mesh") for tag in events.Tags()["tensors"])


def test_figures(tmp_path: Path) -> None:
    plt = pytest.importorskip("matplotlib.pyplot")
    figure = plt.figure(figsize=(1, 1))
    with SummaryWriter(tmp_path) as writer:
        writer.add_figure("figure", figure, 4)
    assert read(tmp_path).Images("figure")[0].step == 4
    assert not plt.get_fignums()


def test_embeddings(tmp_path: Path) -> None:
    with SummaryWriter(tmp_path) as writer:
        writer.add_embedding(
            npnet.eye(3), npnet.tensor([4, 5, 6]), npnet.rand(3, 1, 2, 2), 1, "points"
        )
    (tensors,) = tmp_path.rglob("tensors.tsv")
    assert np.loadtxt(tensors).tolist() == np.eye(3).tolist()
    (labels,) = tmp_path.rglob("metadata.tsv")
    assert labels.read_text().split() == ["4", "5", "6"]
    assert "sprite" in (tmp_path / "projector_config.pbtxt").read_text()


def test_hyperparameters(tmp_path: Path) -> None:
    settings = {"lr": npnet.tensor(0.5), "name": "adam", "nesterov": True, "size": np.int64(3)}
    with SummaryWriter(tmp_path) as writer:
        writer.add_hparams(
            settings, {"accuracy": npnet.tensor(0.25)}, {"name": ["adam", "sgd"]}, "first", 2
        )
        with pytest.raises(TypeError, match="must be dicts"):
            writer.add_hparams([1], {})  # type: ignore[arg-type]
        with pytest.raises(TypeError, match="hparam_domain_discrete"):
            writer.add_hparams({"a": 1}, {}, {"b": [1]})
    events = read(tmp_path / "first")
    assert [(e.step, e.value) for e in events.Scalars("accuracy")] == [(2, 0.25)]
    plugin = pytest.importorskip("tensorboard.plugins.hparams.plugin_data_pb2")
    experiment, start = (
        plugin.HParamsPluginData.FromString(
            events.PluginTagToContent("hparams")[f"_hparams_/{tag}"]
        )
        for tag in ("experiment", "session_start_info")
    )
    found = start.session_start_info.hparams
    assert found["lr"].number_value == 0.5
    assert found["name"].string_value == "adam"
    assert found["nesterov"].bool_value
    assert found["size"].number_value == 3
    domains = {i.name: list(i.domain_discrete) for i in experiment.experiment.hparam_infos}
    assert domains["name"] == ["adam", "sgd"]


class Net(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.features = nn.Sequential(nn.Conv2d(1, 2, 3), nn.ReLU(), nn.MaxPool2d(2))
        self.norm = nn.BatchNorm2d(2)
        self.fc = nn.Linear(18, 4)

    def forward(self, x: npnet.Tensor) -> npnet.Tensor:
        x = self.norm(self.features(x))
        return nn.functional.log_softmax(self.fc(x.flatten(1)), 1)


@pytest.mark.parametrize("backend", ["numpy", "auto"])
def test_the_graph_of_a_network(tmp_path: Path, backend: str) -> None:
    npnet.set_backend(backend)
    net, x = Net(), npnet.randn(2, 1, 8, 8)
    before = {k: v.tolist() for k, v in net.state_dict().items()}
    state = npnet.random.default_generator.get_state()
    with SummaryWriter(tmp_path) as writer:
        writer.add_graph(net, x)
        with pytest.raises(ValueError, match="input_to_model is needed"):
            writer.add_graph(net)
    assert net.training
    assert not net.fc._forward_hooks
    assert {k: v.tolist() for k, v in net.state_dict().items()} == before
    assert npnet.random.default_generator.get_state() == state
    graph = read(tmp_path).Graph()
    nodes = {node.name: node for node in graph.node}
    assert len(nodes) == len(graph.node), "names are names"
    assert all(name in nodes for node in graph.node for name in node.input)
    weight = nodes["Net/Linear[fc]/weight"]
    assert [d.size for d in weight.attr["_output_shapes"].list.shape[0].dim] == [4, 18]
    assert weight.attr["attr"].s == b"fc.weight"
    within = [n for n in nodes if n.startswith("Net/Sequential[features]/Conv2d[0]/")]
    assert len(within) == 3
    ahead, reached = ["output/output.0"], set()
    while ahead:
        name = ahead.pop()
        reached.add(name)
        ahead += nodes[name].input
    assert {"input/input.0", "Net/Linear[fc]/bias"} <= reached


def test_the_graph_of_a_network_with_whole_numbers(tmp_path: Path) -> None:
    class Two(nn.Module):
        def forward(self, x: npnet.Tensor, n: npnet.Tensor) -> tuple[npnet.Tensor, npnet.Tensor]:
            return x * n, x + 1

    with SummaryWriter(tmp_path) as writer:
        writer.add_graph(Two(), (npnet.ones(2), npnet.tensor([1, 2])), verbose=False)
        with pytest.raises(RuntimeError, match="depends on neither"):
            writer.add_graph(nn.Flatten(0), npnet.tensor([1, 2]))
    names = {node.name for node in read(tmp_path).Graph().node}
    assert {"input/input.1", "output/output.1"} <= names


@pytest.mark.parametrize("first", ["npnet", "tensorboardX"])
def test_tensorboardx_takes_tensors(first: str, tmp_path: Path) -> None:
    """In a process of its own, in either order of import."""
    imports = ["import npnet", "from tensorboardX import SummaryWriter"]
    code = f"""
import sys
sys.modules["torch"] = None
{chr(10).join(imports if first == "npnet" else imports[::-1])}
with SummaryWriter({str(tmp_path)!r}) as writer:
    writer.add_scalar("loss", npnet.tensor(2.0, requires_grad=True) * 2, 1)
    writer.add_histogram("w", npnet.ones(5), 1)
    writer.add_image("image", npnet.rand(3, 4, 4), 1)
    writer.add_scalars("both", {{"a": npnet.tensor(1.0)}}, 1)
"""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    events = read(tmp_path)
    assert events.Scalars("loss")[0].value == 4
    assert events.Histograms("w")
    assert events.Images("image")


def test_tensorboards_own_writer_takes_tensors(tmp_path: Path) -> None:
    summary = pytest.importorskip("tensorboard.summary")
    try:
        writer = summary.Writer(str(tmp_path))
    except Exception as error:  # it may want TensorFlow
        pytest.skip(str(error))
    writer.add_scalar("loss", npnet.tensor(2.0), 1)
    writer.close()
    (event,) = read(tmp_path).Tensors("loss")
    assert tensor_util.make_ndarray(event.tensor_proto) == 2


def test_without_tensorboardx_one_line_says_so() -> None:
    code = """
import sys
sys.modules["tensorboardX"] = None
import npnet
try:
    npnet.utils.tensorboard
except ImportError as error:
    print(error)
"""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    line = "npnet.utils.tensorboard needs tensorboardX: pip install 'npnet[train]'"
    assert done.stdout == f"{line}\n"
