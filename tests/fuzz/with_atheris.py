"""`python -m tests.fuzz.with_atheris TARGET FOLDER [libFuzzer's options]`: one target, fuzzed by coverage.

FOLDER keeps the inputs that reach something new. Ends with an exit status that is not 0 at the first fault.
"""

from __future__ import annotations

import sys
from pathlib import Path

import atheris

PARSERS = [
    *("gpu_service.host.app", "gpu_service.host.bodies", "gpu_service.pictures", "gpu_service.sound"),
    *("gpu_service.svg_process", "gpu_service.wire", "mpr_api.webhook", "mpr_assets.annotations"),
    *("mpr_assets.automation.new_media", "mpr_assets.corrections.correction_files", "mpr_assets.timelines.spec"),
    *("mpr_live.sources.parameter_sets", "mpr_live.sources.rtmp_messages"),
    *("mpr_resources.brands", "mpr_resources.cloud.prompt", "mpr_resources.names", "mpr_resources.storage.tables"),
    *("mpr_resources.yaml_files", "multipart", "yaml"),
]
"""What is instrumented, so that coverage guides the search."""


def main() -> None:
    name, folder, *options = sys.argv[1:]
    with atheris.instrument_imports(include=PARSERS):
        from tests.fuzz.targets import TARGETS
    target = TARGETS[name]
    corpus = Path(folder)
    corpus.mkdir(parents=True, exist_ok=True)
    for number, seed in enumerate(target.seeds):
        (corpus / f"seed-{number}").write_bytes(seed)
    atheris.Setup([sys.argv[0], *options, str(corpus)], target)
    atheris.Fuzz()


if __name__ == "__main__":
    main()
