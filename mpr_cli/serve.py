"""The command `serve`: the API and the editor's page."""

from __future__ import annotations

import os
import signal
from typing import Annotated

import typer

from mpr_cli import terminal

app = typer.Typer()


@app.command()
def serve(
    host: Annotated[
        str, typer.Option(help="the address to listen at; others than this machine's need MPR_API_TOKEN")
    ] = "127.0.0.1",
    port: Annotated[int, typer.Option(min=1, max=65535, help="the port to listen at")] = 8100,
    daemon: Annotated[
        bool, typer.Option("--daemon", help="also run Dagster's daemon, which starts queued runs, where no other does")
    ] = False,
) -> None:
    """Serve the REST API and the editor's page until interrupted; see docs/api.md."""
    from mpr_api.access.config import ApiConfig

    config = ApiConfig.from_environ(os.environ, host, port)
    from mpr_api.app import serve as serve_api  # late: a wrong setting is told at once

    shown = "localhost" if host in ("127.0.0.1", "localhost") else host
    signal.signal(signal.SIGTERM, signal.SIG_DFL)  # the server ends its streams first, then as its supervisor expects
    terminal.err.print(f"MPR on http://{shown}:{port}, the paths at /docs; Ctrl+C ends it.")
    serve_api(config, daemon=daemon)
