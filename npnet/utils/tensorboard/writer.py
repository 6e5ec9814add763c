"""SummaryWriter: tensorboardX's, with PyTorch's arguments and npnet's tensors."""

from __future__ import annotations

import os
import time
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from npnet.base.extras import require
from npnet.base.tensorboardx import without_torch
from npnet.nn import Module
from npnet.tensor import Tensor
from npnet.utils.tensorboard.graph import graph_of

with without_torch():
    require("tensorboardX", "train", "npnet.utils.tensorboard")
    import tensorboardX
    from tensorboardX import summary as _summary
    from tensorboardX.proto import event_pb2, graph_pb2, summary_pb2, tensor_pb2

__all__ = ["SummaryWriter"]

# TensorFlow's numbers of dtypes.
_TYPES = {"float32": 1, "float64": 2, "int32": 3, "uint8": 4, "int64": 9, "bool": 10}


class SummaryWriter(tensorboardX.SummaryWriter):  # type: ignore[misc] # it has no types
    """Writes event files that TensorBoard shows.

    All methods take npnet's tensors, ndarrays and numbers. Those that are not described here are
    tensorboardX's, with PyTorch's arguments.

    Args:
        log_dir: the folder; default runs/<time>_<host><comment>.
        comment: the end of the default folder's name.
        purge_step: what an earlier file of the folder says of this step and later ones is dropped.
        max_queue: how many entries wait to be written.
        flush_secs: how often they are written at least.
        filename_suffix: the end of the file's name.

    Attributes:
        log_dir: the folder.

    Example:
        >>> import pathlib, tempfile
        >>> from npnet.utils.tensorboard import SummaryWriter
        >>> with tempfile.TemporaryDirectory() as folder, SummaryWriter(folder) as writer:
        ...     writer.add_scalar("loss", 0.5, 1)
        ...     print(len(list(pathlib.Path(folder).glob("events.out.*"))))
        1
    """

    def __init__(
        self,
        log_dir: str | os.PathLike[str] | None = None,
        comment: str = "",
        purge_step: int | None = None,
        max_queue: int = 10,
        flush_secs: int = 120,
        filename_suffix: str = "",
    ) -> None:
        folder = None if log_dir is None else os.fspath(log_dir)
        super().__init__(folder, comment, purge_step, max_queue, flush_secs, filename_suffix)
        self.log_dir = self.logdir

    def get_logdir(self) -> Any:
        """The folder."""
        return self.log_dir

    # ---- numbers and texts ---------------------------------------------------------------------

    def add_scalar(
        self,
        tag: str,
        scalar_value: Any,
        global_step: int | None = None,
        walltime: float | None = None,
        new_style: bool = False,
        double_precision: bool = False,
    ) -> None:
        """Write a number.

        Args:
            new_style: as a tensor, which TensorBoard reads faster.
            double_precision: in float64, where it is a tensor.
        """
        value = np.asarray(_plain(scalar_value))
        if value.size != 1:
            raise AssertionError(
                f"add_scalar: {tag} must be one number, got shape {value.shape}; add_histogram "
                "shows many"
            )
        if not new_style:
            super().add_scalar(tag, value.item(), global_step, walltime)
            return
        exact = np.float64 if double_precision else np.float32
        self._add(
            _of_tensor(tag, value.reshape(()).astype(exact), "scalars"), global_step, walltime
        )

    def add_scalars(
        self,
        main_tag: str,
        tag_scalar_dict: Mapping[str, Any],
        global_step: int | None = None,
        walltime: float | None = None,
    ) -> None:
        """Write several numbers into one chart, each as a run, `<log_dir>/<main_tag>_<tag>`."""
        self._get_file_writer()  # a closed one begins anew
        for tag, value in tag_scalar_dict.items():
            folder = f"{self.log_dir}/{main_tag.replace('/', '_')}_{tag}"
            if folder not in self.all_writers:
                options = self._max_queue, self._flush_secs, self._filename_suffix
                self.all_writers[folder] = tensorboardX.FileWriter(folder, *options)
            summary = _summary.scalar(main_tag, float(_plain(value)))
            self.all_writers[folder].add_summary(summary, global_step, walltime)

    def add_tensor(
        self,
        tag: str,
        tensor: Any,
        global_step: int | None = None,
        walltime: float | None = None,
    ) -> None:
        """Write a tensor as it is."""
        self._add(_of_tensor(tag, np.asarray(_plain(tensor)), ""), global_step, walltime)

    def add_hparams(
        self,
        hparam_dict: dict[str, Any],
        metric_dict: dict[str, Any],
        hparam_domain_discrete: dict[str, list[Any]] | None = None,
        run_name: str | None = None,
        global_step: int | None = None,
    ) -> None:
        """Write the hyper-parameters of a run, and the figures that runs are compared by.

        Args:
            hparam_domain_discrete: the values that a hyper-parameter may have.
            run_name: of the folder below `log_dir` that they are written to; default the time.
        """
        if type(hparam_dict) is not dict or type(metric_dict) is not dict:
            raise TypeError("add_hparams: hparam_dict and metric_dict must be dicts")
        settings = {name: _number(value) for name, value in hparam_dict.items()}
        experiment, *others = _summary.hparams(settings, metric_dict)
        for name, values in (hparam_domain_discrete or {}).items():
            if name not in settings or not isinstance(values, list):
                raise TypeError(
                    f"add_hparams: hparam_domain_discrete must have lists for hyper-parameters, "
                    f"got {values!r} for {name}"
                )
        _add_domains(experiment, hparam_domain_discrete or {})
        folder = os.path.join(self.log_dir, run_name or str(time.time()))
        with SummaryWriter(folder) as inner:
            for part in (experiment, *others):
                inner._add(part)
            for tag, value in metric_dict.items():
                inner.add_scalar(tag, value, global_step)

    # ---- arrays --------------------------------------------------------------------------------

    def add_histogram(
        self,
        tag: str,
        values: Any,
        global_step: int | None = None,
        bins: str = "tensorflow",
        walltime: float | None = None,
        max_bins: int | None = None,
    ) -> None:
        """Write how values are distributed.

        Args:
            bins: "tensorflow", or a name that numpy.histogram knows.
            max_bins: how many of them at most.
        """
        super().add_histogram(tag, _array(values), global_step, bins, walltime, max_bins)

    def add_image(
        self,
        tag: str,
        img_tensor: Any,
        global_step: int | None = None,
        walltime: float | None = None,
        dataformats: str = "CHW",
    ) -> None:
        """Write a picture: uint8, or floats from 0 to 1; its axes are named by `dataformats`."""
        super().add_image(tag, _array(img_tensor), global_step, walltime, dataformats)

    def add_images(
        self,
        tag: str,
        img_tensor: Any,
        global_step: int | None = None,
        walltime: float | None = None,
        dataformats: str = "NCHW",
    ) -> None:
        """Write pictures side by side, as one."""
        super().add_images(tag, _array(img_tensor), global_step, walltime, dataformats)

    def add_image_with_boxes(
        self,
        tag: str,
        img_tensor: Any,
        box_tensor: Any,
        global_step: int | None = None,
        walltime: float | None = None,
        rescale: float = 1,
        dataformats: str = "CHW",
        labels: list[str] | None = None,
    ) -> None:
        """Write a picture with boxes (N, 4): left, top, right, bottom."""
        pictures = _array(img_tensor), _array(box_tensor)
        options = {"rescale": rescale, "labels": labels}
        super().add_image_with_boxes(
            tag, *pictures, global_step, walltime, dataformats=dataformats, **options
        )

    def add_video(
        self,
        tag: str,
        vid_tensor: Any,
        global_step: int | None = None,
        fps: float = 4,
        walltime: float | None = None,
    ) -> None:
        """Write a video (N, T, C, H, W). Needs moviepy, as in PyTorch."""
        super().add_video(tag, _array(vid_tensor), global_step, fps, walltime)

    def add_audio(
        self,
        tag: str,
        snd_tensor: Any,
        global_step: int | None = None,
        sample_rate: int = 44100,
        walltime: float | None = None,
    ) -> None:
        """Write a sound (1, L), from -1 to 1. Needs soundfile."""
        sound = np.asarray(_array(snd_tensor)).squeeze()
        super().add_audio(tag, sound, global_step, sample_rate, walltime)

    def add_pr_curve(
        self,
        tag: str,
        labels: Any,
        predictions: Any,
        global_step: int | None = None,
        num_thresholds: int = 127,
        weights: Any = None,
        walltime: float | None = None,
    ) -> None:
        """Write precision over recall, of labels 0 and 1 and predicted probabilities."""
        arrays = _array(labels), _array(predictions)
        rest = None if weights is None else _array(weights)
        super().add_pr_curve(tag, *arrays, global_step, num_thresholds, rest, walltime)

    def add_mesh(
        self,
        tag: str,
        vertices: Any,
        colors: Any = None,
        faces: Any = None,
        config_dict: dict[str, Any] | None = None,
        global_step: int | None = None,
        walltime: float | None = None,
    ) -> None:
        """Write a surface: vertices (B, N, 3), colors (B, N, 3), faces (B, M, 3)."""
        arrays = [None if a is None else _array(a) for a in (vertices, colors, faces)]
        super().add_mesh(tag, *arrays, config_dict, global_step, walltime)

    def add_embedding(
        self,
        mat: Any,
        metadata: Any = None,
        label_img: Any = None,
        global_step: int | None = None,
        tag: str = "default",
        metadata_header: list[str] | None = None,
    ) -> None:
        """Write points (N, D), each perhaps with a label and a picture (N, C, H, W), to be shown
        in two or three dimensions."""
        pictures = None if label_img is None else _array(label_img)
        labels = _plain(metadata)
        labels = labels.tolist() if isinstance(labels, np.ndarray) else labels
        super().add_embedding(_array(mat), labels, pictures, global_step, tag, metadata_header)

    # ---- graphs --------------------------------------------------------------------------------

    def add_graph(
        self,
        model: Module,
        input_to_model: Any = None,
        verbose: bool = False,
        use_strict_trace: bool = True,
    ) -> None:
        """Draw the ops of a network as npnet's tape has them, within the modules that apply them.

        Args:
            model: run once, in evaluation.
            input_to_model: a tensor, or a tuple of the arguments of `forward`.
            verbose: print the graph.
            use_strict_trace: of PyTorch's tracer; there is no other here, so it changes nothing.

        Raises:
            RuntimeError: the output depends on nothing that could be recorded.
        """
        if input_to_model is None:
            raise ValueError("add_graph: input_to_model is needed; pass a batch for the model")
        args = input_to_model if isinstance(input_to_model, tuple) else (input_to_model,)
        graph = graph_pb2.GraphDef()
        graph.versions.producer = 22  # of TensorFlow, whose format it is
        for node in graph_of(model, args):
            entry = graph.node.add(name=node.name, op=node.op, input=node.inputs)
            shape = entry.attr["_output_shapes"].list.shape.add()
            for size in node.shape:
                shape.dim.add(size=size)
            if node.note:
                entry.attr["attr"].s = node.note.encode()
        if verbose:
            print(graph)
        event = event_pb2.Event(graph_def=graph.SerializeToString())
        self._get_file_writer().add_event(event, None, None)

    def _add(self, summary: Any, step: int | None = None, walltime: float | None = None) -> None:
        self._get_file_writer().add_summary(summary, step, walltime)


def _plain(value: Any) -> Any:
    """A value with ndarrays in place of tensors, also inside lists, tuples and dicts."""
    if isinstance(value, Tensor):
        return value.detach().numpy()
    if isinstance(value, (list, tuple)):
        return [_plain(v) for v in value]
    return {k: _plain(v) for k, v in value.items()} if isinstance(value, dict) else value


def _array(value: Any) -> Any:
    """An ndarray of a tensor, or of a list of them or of numbers."""
    plain = _plain(value)
    return np.stack([np.asarray(v) for v in plain]) if isinstance(plain, list) else plain


def _number(value: Any) -> Any:
    """A tensor or a NumPy number of one value as Python's."""
    if isinstance(value, (Tensor, np.generic)):
        return value.item()
    return value


def _of_tensor(tag: str, array: Any, plugin: str) -> Any:
    """A summary that holds an array."""
    if array.dtype.name not in _TYPES:
        raise TypeError(f"add_tensor: {tag}: {array.dtype} can't be written; use float32")
    proto = tensor_pb2.TensorProto(dtype=_TYPES[array.dtype.name])
    proto.tensor_content = np.ascontiguousarray(array).tobytes()
    for size in array.shape:
        proto.tensor_shape.dim.add(size=size)
    metadata = summary_pb2.SummaryMetadata()
    metadata.plugin_data.plugin_name = plugin or "tensor"
    return summary_pb2.Summary(
        value=[summary_pb2.Summary.Value(tag=tag, tensor=proto, metadata=metadata)]
    )


def _add_domains(experiment: Any, domains: Mapping[str, Sequence[Any]]) -> None:
    """Note in the summary of an experiment which values its hyper-parameters may have."""
    if not domains:
        return
    from tensorboardX.proto.plugin_hparams_pb2 import HParamsPluginData

    place = experiment.value[0].metadata.plugin_data
    data = HParamsPluginData.FromString(place.content)
    for info in data.experiment.hparam_infos:
        if info.name in domains:
            info.domain_discrete.extend([_number(v) for v in domains[info.name]])
    place.content = data.SerializeToString()
