"""What the engines' tests share: models made here, known to the process by short names as a host knows its own."""

from __future__ import annotations

import os
import tempfile
from collections.abc import Iterator

import pytest

# Read when the packages are first imported: nothing is installed, fetched or reported, and no home folder is touched.
os.environ["YOLO_CONFIG_DIR"] = tempfile.mkdtemp(prefix="yolo-")
os.environ["PADDLE_PDX_CACHE_HOME"] = tempfile.mkdtemp(prefix="paddle-")
os.environ["HF_HOME"] = tempfile.mkdtemp(prefix="hub-")
os.environ["HF_HUB_OFFLINE"] = "1"
os.environ["OMP_WAIT_POLICY"] = "PASSIVE"  # idle threads that spin cost a busy machine twenty times the work

import torch

from gpu_service import models
from gpu_service.models import ModelFiles
from tests.gpu_engines.torchvision_on_cpu import make_importable

torch.set_num_threads(1)  # the models are too small for more
if not torch.cuda.is_available():
    make_importable()


@pytest.fixture(autouse=True)
def host() -> Iterator[None]:
    """Each test starts with a host that knows nothing."""
    models.use(ModelFiles())
    yield
    models.use(ModelFiles())
