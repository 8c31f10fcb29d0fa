"""`dialer demo`: a whole campaign on real SIP and RTP over loopback, shown live, judged by the carrier's own log."""

from __future__ import annotations

import json
import os
import signal
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from types import FrameType
from typing import Any, Final

import click
from rich.console import Console
from rich.live import Live

from dialer.cli import view
from dialer.cli.demo_feed import Feed
from dialer.cli.demo_stage import Scene, Stage
from dialer.cli.output import Failure, json_option
from dialer.report import Figures, ReportError, audit, figures, read_carrier, read_store, summary
from dialer.report.audit import read_lines
from dialer.report.page import render
from dialer.report.terminal import draw
from dispositions.callbacks import IN_TIME

#: Beyond it the ring time-out of 25 s would fall below the second that a config may ask for.
FASTEST: Final = 25
#: Seconds until the daemon's API must answer.
READY_TIMEOUT: Final = 45.0
REPORT: Final = "dialer-demo-report.html"
FRAMES_PER_SECOND: Final = 4
LINE_EVERY: Final = 5.0
#: Rows below which the live view leaves things out.
LOW_TERMINAL: Final = 36
#: What a low one needs beside its rows of agents, and the columns of one agent.
ROWS_BESIDE_AGENTS: Final = 20
TILE_WIDTH: Final = 26
#: From this many agents on, customers and agents speak 5 packets a second instead of 50.
SPARSE_FROM: Final = 100


@click.command()
@click.option("--agents", type=click.IntRange(1, 1000), default=12, show_default=True, help="Simulated agents.")
@click.option("--seconds", type=click.FloatRange(1, 86400), default=60.0, show_default=True, help="How long it dials.")
@click.option("--seed", type=int, default=7, show_default=True, help="The same seed meets the same people.")
@click.option(
    "--speed", type=click.FloatRange(1, FASTEST), default=10.0, show_default=True, help="Divides every duration."
)
@click.option(
    "--mode", type=click.Choice(["predictive", "power", "progressive"]), default="predictive", show_default=True
)
@click.option(
    "--rtp",
    type=click.Choice(["auto", "full", "sparse", "none"]),
    default="auto",
    show_default=True,
    help="Audio of the simulated parties: 50, 5 or no packets a second.",
)
@click.option("--rows", type=click.IntRange(0), default=0, help="Only the first rows of the list (0: all).")
@click.option(
    "--report", "report_file", type=click.Path(path_type=Path, dir_okay=False), help="Where the HTML report goes."
)
@click.option(
    "--keep", type=click.Path(path_type=Path, file_okay=False), help="Keep config, logs and store in this folder."
)
@json_option
def demo(
    agents: int, seconds: float, seed: int, speed: float, mode: str, rtp: str, rows: int,
    report_file: Path | None, keep: Path | None, as_json: bool,
) -> int:  # fmt: skip
    """Show a campaign: a simulated carrier and agents, real SIP and audio, a live view, a report.

    Ends with code 0 only when nothing was lost and nobody was called twice.
    """
    if rtp == "auto":
        rtp = "full" if agents < SPARSE_FROM else "sparse"
    scene = Scene(agents, speed, seed, mode, rtp, rows)
    page = _page(report_file, keep)
    with _folder(keep) as folder:
        stage = Stage(folder, scene)
        result = _play(stage, seconds, quiet=as_json)
        page.write_text(render(result, "Demonstration campaign"), encoding="utf-8")
    if as_json:
        click.echo(json.dumps(summary(result), default=str))
    else:
        console = Console(highlight=False)
        console.print(draw(result))
        console.print(f"report: {page.resolve()}", soft_wrap=True)
    return 0 if result.audit is not None and result.audit.clean else 1


def _page(wanted: Path | None, keep: Path | None) -> Path:
    """Where the report goes; said before the run when it cannot go there."""
    if wanted is None:
        if keep is not None:
            return keep / REPORT
        return Path(REPORT) if os.access(".", os.W_OK) else Path(tempfile.gettempdir()) / REPORT
    if not os.access(wanted.parent, os.W_OK | os.X_OK) or (wanted.exists() and not os.access(wanted, os.W_OK)):
        raise Failure(f"the report cannot be written to {wanted}", code="no_report", exit_code=2)
    return wanted


@contextmanager
def _folder(keep: Path | None) -> Iterator[Path]:
    if keep is None:
        with tempfile.TemporaryDirectory(prefix="dialer-demo-") as name:
            yield Path(name)
        return
    if keep.exists() and any(keep.iterdir()):
        raise Failure(f"{keep} is not empty: a demonstration needs a folder of its own", code="not_empty", exit_code=2)
    try:
        keep.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise Failure(f"{keep} cannot be made: {error.strerror}", code="no_folder", exit_code=2) from None
    yield keep.resolve()


@contextmanager
def _term_as_interrupt() -> Iterator[None]:
    """SIGTERM ends a demonstration as Ctrl-C does."""

    def interrupt(_: int, __: FrameType | None) -> None:
        raise KeyboardInterrupt

    before = signal.signal(signal.SIGTERM, interrupt)
    try:
        yield
    finally:
        signal.signal(signal.SIGTERM, before)


def _play(stage: Stage, seconds: float, *, quiet: bool) -> Figures:
    """Run it, until the time is over or Ctrl-C; then join what the carrier saw with what the store has."""
    console = Console(stderr=True, highlight=False)
    begun = time.monotonic()
    feed: Feed | None = None
    dialed, ended_at = 0.0, 0.0
    with _term_as_interrupt():
        try:
            try:
                stage.open()
                feed = Feed(stage.base, stage.token, stage.folder / "events.jsonl")
                feed.start()
                _wait_until_ready(stage, feed)
                begun = time.monotonic()
                _watch(stage, feed, seconds, console, quiet=quiet)
            except KeyboardInterrupt:
                if feed is None or not feed.connected.is_set():
                    raise
                console.print("ending: calls are hung up, outcomes are saved ...")
            dialed, ended_at = time.monotonic() - begun, time.time()
        finally:
            codes = _undisturbed(stage.close)
            if feed is not None:
                feed.close()
    if codes.get("daemon") != 0:
        raise Failure(f"the daemon ended with code {codes.get('daemon')}: {stage.actors['daemon'].last_words()}")
    return judge(stage, dialed, ended_at)


def _undisturbed(close: Any) -> dict[str, int]:
    """A second Ctrl-C must not leave processes behind."""
    before = [(number, signal.signal(number, signal.SIG_IGN)) for number in (signal.SIGINT, signal.SIGTERM)]
    try:
        codes: dict[str, int] = close()
        return codes
    finally:
        for number, handler in before:
            signal.signal(number, handler)


def _wait_until_ready(stage: Stage, feed: Feed) -> None:
    until = time.monotonic() + READY_TIMEOUT
    while not feed.connected.wait(0.05):
        stage.check()
        if feed.refused:
            raise Failure(f"the daemon's event stream answers with status {feed.refused}")
        if time.monotonic() > until:
            raise Failure(f"the daemon's API did not answer within {READY_TIMEOUT:.0f} s")


def _watch(stage: Stage, feed: Feed, seconds: float, console: Console, *, quiet: bool) -> None:
    """Show it until `seconds` are over."""
    scene = stage.scene
    begun = time.monotonic()
    title = f"dialer demo · {scene.mode} · {scene.agents} agents · seed {scene.seed}"

    def board() -> Any:
        def picture(timeline: Any, status: dict[str, Any]) -> Any:
            elapsed = time.monotonic() - begun
            shown = view.Board(
                timeline, title, scene.speed, elapsed, seconds, stage.facts.get("abandon_cap"), time.time(), status
            )
            if live is None:
                return view.progress_line(shown)
            if console.height >= LOW_TERMINAL:
                return view.draw(shown)
            rows = max(1, console.height - ROWS_BESIDE_AGENTS)
            return view.draw(shown, compact=True, tiles=min(view.TILES, rows * max(1, console.width // TILE_WIDTH)))

        return feed.look(picture)

    live: Live | None = None
    if console.is_terminal and not quiet:
        with Live(console=console, screen=False, auto_refresh=False, transient=True) as live:
            while time.monotonic() - begun < seconds:
                stage.check()
                live.update(board(), refresh=True)
                time.sleep(1 / FRAMES_PER_SECOND)
        return
    console.print(f"{title} · every duration divided by {scene.speed:g}")
    due = 0.0
    while (elapsed := time.monotonic() - begun) < seconds:
        stage.check()
        if elapsed >= due:
            console.print(board(), soft_wrap=True)
            due += LINE_EVERY
        time.sleep(0.1)


def judge(stage: Stage, seconds: float, ended_at: float) -> Figures:
    """The figures of a run whose dialing ended at `ended_at`, and the verdict by the carrier's log. Raises Failure."""
    facts, scene = stage.facts, stage.scene
    try:
        carrier = read_carrier(stage.carrier_log)
        store = read_store(facts["store"], facts["campaign"], at=ended_at, within=IN_TIME / scene.speed)
        verdict = audit(facts["numbers"], facts["do_not_call"], carrier, store, facts["redial_delay"])
        return figures(
            store,
            read_lines(stage.folder / "events.jsonl"),
            carrier=carrier,
            audit=verdict,
            abandon_cap=facts["abandon_cap"],
            list_rows=facts["funnel"],
            until=ended_at,
            settings={
                "seconds": round(seconds, 2),
                "speed": scene.speed,
                "seed": scene.seed,
                "agents": scene.agents,
                "mode": scene.mode,
                "rtp": scene.rtp,
                "python": sys.version.split()[0],
            },
        )
    except (ReportError, OSError) as error:
        raise Failure(str(error), code="no_report") from None
