"""The command line `mpr`: its commands by name, and the exit status and the sentence for whatever goes wrong.

A command's module is imported when the command is asked for: all of them at once would take seconds.
Exit status: 0 done, 1 a stage failed, 2 the input cannot be used, 130 interrupted.
"""

from __future__ import annotations

import atexit
import gc
import os
import signal
import sys
from collections.abc import Mapping
from importlib import import_module
from pathlib import Path
from types import FrameType
from typing import Annotated, Any, NamedTuple

import typer
from typer._click.core import Command, Context
from typer._click.exceptions import ClickException, NoArgsIsHelpError
from typer.core import TyperCommand, TyperGroup

from gpu_service.distribution import VERSION
from gpu_service.errors import MissingEngine, MprError, TransientError
from gpu_service.masking import masked
from mpr_assets.runs.stage_failed import StageFailed
from mpr_cli import terminal
from mpr_cli.document import asks_for_json, with_json
from mpr_cli.exit_status import FAILED, INTERRUPTED, UNUSABLE
from mpr_resources.environment import dagster_home, read_env_file

GARBAGE_AFTER = 50_000
"""So many more objects are there before Python looks for garbage."""


class CommandInfo(NamedTuple):
    """A command, or a group of them, before its module is imported: the module, and the first paragraph of its help."""

    module: str
    help: str


COMMANDS = {
    "run": CommandInfo("mpr_cli.run", "Register a timeline, materialize all stages and print the brands."),
    "report": CommandInfo(
        "mpr_cli.report",
        "Print a timeline's brands with their measures, and where its report is; first, whether and why it is stale.",
    ),
    "export": CommandInfo(
        "mpr_cli.export",
        "Write a timeline's report in other formats: spreadsheets, subtitles, edit lists; see docs/exports.md.",
    ),
    "why": CommandInfo(
        "mpr_cli.why",
        "Show what a brand's time on screen stands on: exposure, detection, text or logo, crop, frame, settings, run.",
    ),
    "why-not": CommandInfo(
        "mpr_cli.why_not",
        "Say where a brand was lost that the report does not have at a time: which stage, by which rule and setting.",
    ),
    "query": CommandInfo(
        "mpr_cli.query",
        "Ask the tables of all timelines by SQL: exposures, detections, text_lines and more; see docs/evidence.md.",
    ),
    "truth": CommandInfo(
        "mpr_cli.truth",
        "Give a timeline the truth of what is on screen, which `evaluation` holds its report against.",
    ),
    "evaluation": CommandInfo(
        "mpr_cli.evaluation",
        "Print how right a report, or several, is: recall, precision, F1 and edges against the timeline's truth.",
    ),
    "correct": CommandInfo(
        "mpr_cli.correct",
        "Correct what runs got wrong: marks that were missed, that are not there, or are another brand.",
    ),
    "corrections": CommandInfo("mpr_cli.correct", "List a timeline's corrections, or remove some."),
    "airings": CommandInfo(
        "mpr_cli.airings",
        "Make the history of all brands anew (the asset brand_history) and print their airings by day and programme.",
    ),
    "init": CommandInfo(
        "mpr_cli.init",
        "Lay out a project of your own, with profiles and settings of Dagster, which commands given in it use.",
    ),
    "timeline": CommandInfo("mpr_cli.timeline", "Create, list, show, delete and rename timelines."),
    "live": CommandInfo("mpr_cli.live", "Record live streams and find their brands while they run."),
    "profile": CommandInfo("mpr_cli.profile", "List, show, validate and duplicate profiles."),
    "brands": CommandInfo("mpr_cli.brands", "Show and change the registry of brands that all timelines share."),
    "similar": CommandInfo(
        "mpr_cli.similar",
        "Find the places of a timeline that look like a box in a frame, or like a picture, with a contact sheet.",
    ),
    "cache": CommandInfo("mpr_cli.cache", "List and clear what can be recomputed: frames, crops, overlays."),
    "stop": CommandInfo(
        "mpr_cli.control",
        "Cancel a timeline's runs, also queued ones, or a backfill; finished stages are kept.",
    ),
    "pause": CommandInfo(
        "mpr_cli.control",
        "Hold a timeline or a profile: queued runs wait until `mpr resume`; a run in progress continues.",
    ),
    "resume": CommandInfo("mpr_cli.control", "Release the hold of a timeline or a profile: its queued runs start."),
    "step": CommandInfo("mpr_cli.control", "Materialize one stage: the first that is missing or stale."),
    "clear": CommandInfo(
        "mpr_cli.control",
        "Delete a timeline's stored results, from a stage on; its spec, scenarios and history are kept.",
    ),
    "retry": CommandInfo(
        "mpr_cli.control",
        "Continue the last run where it failed or was stopped, with its settings or with others.",
    ),
    "costs": CommandInfo("mpr_cli.costs", "Show requests to cloud providers with tokens and costs."),
    "history": CommandInfo(
        "mpr_cli.history",
        "Show a timeline's results as a tree, each below its input, with settings, counts, user and time.",
    ),
    "diff": CommandInfo(
        "mpr_cli.diff",
        "Compare two results: settings, seconds by brand, counts and changed rows; writes a page with pictures.",
    ),
    "status": CommandInfo(
        "mpr_cli.replay",
        "Show which stages of a timeline (or of all timelines) are fresh, stale, missing or overridden, and why.",
    ),
    "replay": CommandInfo(
        "mpr_cli.replay",
        "Rematerialize a stage and those that depend on it, optionally with other settings for this run.",
    ),
    "try": CommandInfo(
        "mpr_cli.replay",
        "Try a stage on some frames without a run, storing no result; prints rows and writes pictures.",
    ),
    "overlay": CommandInfo(
        "mpr_cli.replay",
        "Draw pictures that show what a stage found in a frame and how; prints their paths.",
    ),
    "scenario": CommandInfo(
        "mpr_cli.scenarios", "Bookmark a stage's result, and check later whether it is reproduced."
    ),
    "doctor": CommandInfo(
        "mpr_cli.doctor",
        "Check Python, packages, storage, database, hosts, models, disk and clock; status 1 if something is wrong.",
    ),
    "serve": CommandInfo(
        "mpr_cli.serve",
        "Serve the REST API and the editor's page until interrupted; see docs/api.md.",
    ),
    "watch": CommandInfo(
        "mpr_cli.watch",
        "Show the progress of a timeline's run until it ends: stage, frames done, rate, time left.",
    ),
}
"""In the order of `mpr --help`. A module's `app` has the command of this name, or is the group of this name."""


class DeferredCommand(TyperCommand):
    """A command whose module is imported when it is called, completed, or asked for its own help."""

    def __init__(self, name: str, entry: CommandInfo) -> None:
        super().__init__(name, help=entry.help)
        self._module = entry.module

    def loaded(self) -> Command:
        """The command itself."""
        group = typer.main.get_group(import_module(self._module).app)
        assert self.name is not None
        return with_json(group.commands.get(self.name, group))

    def make_context(
        self, info_name: str | None, args: list[str], parent: Context | None = None, **extra: Any
    ) -> Context:
        """A context of the command itself: what is parsed and called from here on is that."""
        return self.loaded().make_context(info_name, args, parent, **extra)


class DeferredGroup(TyperGroup):
    """The group of all commands."""

    def __init__(self, **how: Any) -> None:
        super().__init__(**how)
        self.commands = {name: DeferredCommand(name, entry) for name, entry in COMMANDS.items()}


def _print_version(wanted: bool) -> None:
    if wanted:
        terminal.out.print(f"mpr {VERSION}")
        raise typer.Exit


app = typer.Typer(
    cls=DeferredGroup, no_args_is_help=True, pretty_exceptions_enable=False, help="Video in, brand timeline out."
)


@app.callback()
def options(
    _version: Annotated[
        bool, typer.Option("--version", callback=_print_version, is_eager=True, help="show the version and exit")
    ] = False,
) -> None:
    """Options of `mpr` itself."""


def main() -> None:
    """Run the command line; every failure is one sentence and an exit status."""
    # What is imported stays to the end. To look for garbage in it at every 700 objects, and once more as Python ends,
    # takes a third of a short command's time.
    gc.set_threshold(GARBAGE_AFTER)
    atexit.register(gc.freeze)
    # OpenCV prints its own lines about a damaged picture; MPR's message names the picture.
    os.environ.setdefault("OPENCV_LOG_LEVEL", "SILENT")
    terminal.show_warnings()
    signal.signal(signal.SIGTERM, _end)
    try:
        read_env_file(os.environ)
        status = app(standalone_mode=False)
        if status == INTERRUPTED:  # what typer makes of a KeyboardInterrupt
            raise KeyboardInterrupt
        sys.exit(status)
    except NoArgsIsHelpError as error:
        error.show()
        sys.exit(UNUSABLE)
    except ClickException as error:
        _say({"error": f"{error.format_message()} (see mpr --help)", "kind": "usage"}, UNUSABLE)
    except typer.Abort:  # the question was declined, or no terminal is attached
        _say({"error": "cancelled, nothing was changed; --yes skips the question.", "kind": "cancelled"}, FAILED)
    except StageFailed as error:
        _say(error.body(), FAILED)
    except MprError as error:
        _say(error.body(), UNUSABLE)
    except ImportError as error:
        if error.name is None or error.name.startswith(("gpu_service", "mpr_")):  # a bug
            raise
        missing = MissingEngine(f"The package {error.name} cannot be loaded ({error})", "`mpr doctor` says what to do")
        _say(missing.body(), UNUSABLE)
    except Exception as error:
        trouble = _trouble_with_dagster(error)
        if trouble is None:
            raise
        _say(trouble.body(), UNUSABLE)
    except KeyboardInterrupt:
        told = "interrupted; finished stages are kept, run the same command again to continue."
        _say({"error": told, "kind": "interrupted"}, INTERRUPTED)


def _end(_number: int, _frame: FrameType | None) -> None:
    """What a supervisor asks for by SIGTERM ends as what a terminal's user asks for."""
    raise KeyboardInterrupt


def _trouble_with_dagster(error: Exception) -> MprError | None:
    """What to say where Dagster's folder or database went away or filled up while a command was at it; else None."""
    home = dagster_home(os.environ)
    package = type(error).__module__.partition(".")[0]
    is_in_home = isinstance(error, OSError) and Path(str(error.filename)).is_relative_to(home)
    if not (package in ("sqlalchemy", "sqlite3") or is_in_home or (package == "dagster" and not home.exists())):
        return None
    lines = masked(str(error)).strip().splitlines() or [type(error).__name__]
    return TransientError(
        f"Dagster's folder {home} went away, or its database cannot be written any more ({lines[0].rstrip('.')})",
        "what was stored is kept; see that the folder is there and has room, and run the same command again",
    )


def _say(body: Mapping[str, str], status: int) -> None:
    """End with a sentence on stderr; with `--json`, the body of the error is the document on stdout."""
    sentence = masked(body["error"])  # a command line that cannot be parsed is quoted
    terminal.err.print(f"mpr: {sentence}")
    if asks_for_json(sys.argv[1:]):
        terminal.print_json({**body, "error": sentence}, sys.stdout)
    sys.exit(status)
