"""The heavy engines measured: pictures a second by batch size, and where the time goes. One JSON line each.

    .venv-gpu/bin/python -m bench.engines [--batches 1,8,32] [--pictures 64] [--big] [ENGINE...]

Weights are random, of the sizes that are used in earnest on a GPU, and of small ones on a CPU, which the first line
then says: what they find means nothing, and a trained detector spends more after the model, on the boxes that it finds.
They are saved and loaded as real ones are. `model_ms` is the time in the model for one picture, `rest_ms` that before
and after it. Of the VLM's, `picture_ms` is its eye, `first_ms` the rest until the first token of the answer, `next_ms`
each token after it.
"""

from __future__ import annotations

import argparse
import functools
import json
import os
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np

from bench.service import frame
from gpu_service import models
from gpu_service.models import ModelFiles
from gpu_service.pictures import Image
from gpu_service.routines.objects.boxes import ObjectSettings
from gpu_service.routines.objects.clip import Encoder, RegionEngine
from gpu_service.routines.objects.grounding_dino import GroundingDino, GroundingDinoSettings
from gpu_service.routines.objects.onnx_detector import OnnxDetector
from gpu_service.routines.objects.owlv2 import Owlv2, Owlv2Settings
from gpu_service.routines.objects.yolo import Yolo
from gpu_service.routines.vlm import Vlm, VlmSettings
from gpu_service.wire import VlmItem

BRANDS = tuple(f"Brand {number}" for number in range(20))
CLIP_B32 = {"hidden_size": 768, "intermediate_size": 3072, "num_hidden_layers": 12, "num_attention_heads": 12}
CLIP_B32 |= {"image_size": 224, "patch_size": 32}
CLIP_B32_TEXT = {"hidden_size": 512, "intermediate_size": 2048, "num_hidden_layers": 12, "num_attention_heads": 8}
CLIP_L14 = {"hidden_size": 1024, "intermediate_size": 4096, "num_hidden_layers": 24, "num_attention_heads": 16}
CLIP_L14 |= {"image_size": 336, "patch_size": 14}
OWL_B16 = CLIP_B32 | {"image_size": 960, "patch_size": 16}
LLAMA_1B = {"hidden_size": 2048, "intermediate_size": 8192, "num_hidden_layers": 16, "num_attention_heads": 32}
LLAMA_1B |= {"num_key_value_heads": 8, "vocab_size": 128256}


class Clock:
    """Seconds spent in calls of some methods, by name, the device waited for."""

    def __init__(self, torch: Any) -> None:
        self._wait: Callable[[], None] = torch.cuda.synchronize if torch.cuda.is_available() else lambda: None
        self.spent: dict[str, list[float]] = {}

    @contextmanager
    def around(self, name: str) -> Iterator[None]:
        self._wait()
        began = time.perf_counter()
        yield
        self._wait()
        self.spent.setdefault(name, []).append(time.perf_counter() - began)

    def watch(self, owner: Any, method: str, name: str) -> None:
        """Measure every call of a method from now on."""
        original = getattr(owner, method)

        @functools.wraps(original)
        def timed(*args: Any, **more: Any) -> Any:
            with self.around(name):
                return original(*args, **more)

        setattr(owner, method, timed)


def crops(count: int) -> list[Image]:
    """Pieces of boards, 300 x 100."""
    whole = frame(0)
    return [np.ascontiguousarray(whole[300:400, 40 * i % 1600 : 40 * i % 1600 + 300]) for i in range(count)]


def say(engine: str, model: str, device: str, batch: int, count: int, seconds: float, **parts: float) -> None:
    line = {"bench": engine, "model": model, "device": device, "batch": batch, "pictures": count}
    shares = {name: round(value, 3) for name, value in parts.items()}
    print(json.dumps(line | {"pictures_per_s": round(count / seconds, 2)} | shares), flush=True)


def measure(
    engine: str,
    model: str,
    device: str,
    batches: Sequence[int],
    count: int,
    clock: Clock,
    run: Callable[[int], object],
) -> None:
    """Run once to warm up, once measured, for each batch size."""
    for batch in batches:
        run(batch)
        clock.spent.clear()
        with clock.around("all"):
            run(batch)
        [seconds] = clock.spent["all"]
        within = sum(clock.spent["model"])
        shares = {"model_ms": within * 1000 / count, "rest_ms": (seconds - within) * 1000 / count}
        say(engine, model, device, batch, count, seconds, **shares)


def bench_yolo(folder: Path, big: bool, batches: Sequence[int], count: int, _torch: Any) -> None:
    from ultralytics import YOLO

    name = "yolo11m" if big else "yolo11n"
    YOLO(f"{name}.yaml").save(folder / f"{name}.pt")
    engine = Yolo(folder / f"{name}.pt")
    images = [frame(number % 8) for number in range(count)]
    for batch in batches:
        settings = ObjectSettings(object_batch=batch)
        engine.find(images[:batch], settings)
        spent = [0.0]
        predict = engine._model.predict

        def listening(*args: Any, _predict: Any = predict, _spent: list[float] = spent, **more: Any) -> Any:
            results = _predict(*args, **more)
            _spent[0] += sum(result.speed["inference"] for result in results)
            return results

        engine._model.predict = listening
        began = time.perf_counter()
        engine.find(images, settings)
        seconds = time.perf_counter() - began
        engine._model.predict = predict
        shares = {"model_ms": spent[0] / count, "rest_ms": (seconds * 1000 - spent[0]) / count}
        say("yolo", name, str(engine._device), batch, count, seconds, **shares)


def bench_onnx(folder: Path, big: bool, batches: Sequence[int], count: int, torch: Any) -> None:
    from ultralytics import YOLO

    name = "yolo11m" if big else "yolo11n"
    YOLO(f"{name}.yaml").save(folder / f"{name}.pt")
    exported = YOLO(folder / f"{name}.pt").export(format="onnx", dynamic=True, simplify=False, verbose=False)
    engine = OnnxDetector(Path(exported))
    clock = Clock(torch)
    session = engine._session

    class Timed:
        def run(self, *args: Any) -> Any:
            with clock.around("model"):
                return session.run(*args)

    engine._session = Timed()
    images = [frame(number % 8) for number in range(count)]
    providers = session.get_providers()[0].removesuffix("ExecutionProvider").lower()
    measure(
        "onnx", name, providers, batches, count, clock,
        lambda batch: engine.find(images, ObjectSettings(object_batch=batch)),
    )  # fmt: skip


def bench_region_engine(
    engine: RegionEngine, folder: Path, big: bool, batches: Sequence[int], count: int, torch: Any
) -> None:
    from tests.gpu_engines.tiny_models import make_clip, make_dinov2, make_siglip

    vision = CLIP_L14 if big else CLIP_B32
    if engine == "clip":
        make_clip(folder / engine, [], steps=0, vision=vision, text=CLIP_B32_TEXT)
    elif engine == "siglip":
        make_siglip(folder / engine, [], steps=0, vision=vision)
    else:
        make_dinov2(folder / engine, vision)
    encoder = Encoder(engine, folder / engine)
    clock = Clock(torch)
    clock.watch(encoder, "_unit", "model")
    pieces = crops(count)
    measure(engine, "ViT-L/14-336" if big else "ViT-B/32", str(encoder._device), batches, count, clock,
            lambda batch: encoder.pictures(pieces, batch))  # fmt: skip


def bench_owlv2(folder: Path, big: bool, batches: Sequence[int], count: int, torch: Any) -> None:
    from tests.gpu_engines.tiny_models import make_owlv2

    vision = OWL_B16 if big else OWL_B16 | {"image_size": 224, "num_hidden_layers": 4}
    make_owlv2(folder / "owlv2", vision=vision, text=CLIP_B32_TEXT)
    engine = Owlv2(folder / "owlv2")
    clock = Clock(torch)
    clock.watch(engine._model, "image_embedder", "model")
    images = [frame(number % 8) for number in range(count)]
    measure(
        "owlv2", "ViT-B/16-960" if big else "ViT-B/16-224, 4 layers", str(engine._device), batches, count, clock,
        lambda batch: engine.find(images, (), Owlv2Settings(query_names=BRANDS, object_batch=batch)),
    )  # fmt: skip


def bench_grounding_dino(folder: Path, big: bool, batches: Sequence[int], count: int, torch: Any) -> None:
    from tests.gpu_engines.tiny_models import make_grounding_dino

    make_grounding_dino(folder / "grounding_dino", big=big)
    engine = GroundingDino(folder / "grounding_dino")
    clock = Clock(torch)
    clock.watch(engine._model, "forward", "model")
    images = [frame(number % 8) for number in range(count)]
    settings = GroundingDinoSettings(query_names=("disc", "bars", "sky"))
    measure(
        "grounding_dino", "Swin-T" if big else "tiny", str(engine._device), batches, count, clock,
        lambda batch: engine.find(images, settings.model_copy(update={"object_batch": batch})),
    )  # fmt: skip


def bench_vlm(folder: Path, big: bool, batches: Sequence[int], count: int, torch: Any) -> None:
    from tests.gpu_engines.tiny_models import VISION, VLM_TEXT, make_vlm

    settings = VlmSettings(model="m", brands=BRANDS, deadline_s=600)
    vision, text = (CLIP_L14, LLAMA_1B) if big else (VISION, VLM_TEXT)
    torch.set_default_dtype(torch.bfloat16 if big else torch.float32)
    make_vlm(folder / "vlm", [], settings, steps=0, vision=vision, text=text)
    torch.set_default_dtype(torch.float32)
    engine = Vlm(folder / "vlm")
    clock = Clock(torch)
    clock.watch(engine._model, "forward", "model")
    clock.watch(engine._model.base_model, "get_image_features", "picture")
    pieces, items = crops(count), [VlmItem() for _ in range(count)]
    name = "LLaVA: CLIP-L/14-336 and a Llama of 1.2 B" if big else "LLaVA, tiny"
    for batch in batches:
        chosen = settings.model_copy(update={"batch": batch})
        engine.ask(pieces[:batch], items[:batch], chosen)
        clock.spent.clear()
        with clock.around("all"):
            engine.ask(pieces, items, chosen)
        [seconds] = clock.spent["all"]
        calls, chunks = clock.spent["model"], -(-count // batch)
        first = sorted(calls)[-chunks:]  # the whole prompt and the picture: by far the longest
        later = sum(calls) - sum(first)
        pictures, within = sum(clock.spent["picture"]), sum(calls) + sum(clock.spent["picture"])
        parts = {
            "picture_ms": pictures * 1000 / count,
            "first_ms": sum(first) * 1000 / count,
            "next_ms": later * 1000 / max(1, len(calls) - chunks) / batch,
            "model_ms": within * 1000 / count,
            "rest_ms": (seconds - within) * 1000 / count,
        }
        say("vlm", name, str(engine._device), batch, count, seconds, **parts)


BENCHES: dict[str, Callable[[Path, bool, Sequence[int], int, Any], None]] = {
    "yolo": bench_yolo,
    "onnx": bench_onnx,
    "clip": functools.partial(bench_region_engine, "clip"),
    "siglip": functools.partial(bench_region_engine, "siglip"),
    "dinov2": functools.partial(bench_region_engine, "dinov2"),
    "owlv2": bench_owlv2,
    "grounding_dino": bench_grounding_dino,
    "vlm": bench_vlm,
}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("engines", nargs="*", choices=[[], *BENCHES], metavar="ENGINE", help=", ".join(BENCHES))
    parser.add_argument("--batches", default="", help="default 1,2,4 on a CPU, 1,8,32,128 on a GPU")
    parser.add_argument("--pictures", type=int, default=0, help="default 8 on a CPU, 256 on a GPU")
    parser.add_argument("--big", action="store_true", help="the sizes of a GPU on a CPU too")
    arguments = parser.parse_args()
    os.environ.setdefault("YOLO_CONFIG_DIR", tempfile.mkdtemp(prefix="yolo-"))
    import torch

    big = torch.cuda.is_available()
    if not big:
        from tests.gpu_engines.torchvision_on_cpu import make_importable

        make_importable()
        small = "the sizes of a GPU" if arguments.big else "small models, so that these figures say nothing of a GPU"
        print(json.dumps({"bench": "engines", "device": "cpu", "note": f"no GPU here: {small}"}), flush=True)
    models.use(ModelFiles())
    batches = [int(size) for size in (arguments.batches or ("1,8,32,128" if big else "1,2,4")).split(",")]
    count = arguments.pictures or (256 if big else 8)
    for name in arguments.engines or BENCHES:
        with tempfile.TemporaryDirectory() as folder:
            BENCHES[name](Path(folder), big or arguments.big, batches, count, torch)


if __name__ == "__main__":
    main()
