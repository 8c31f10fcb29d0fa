"""`dialer report`: what a campaign did so far, as tables, as an HTML page or as JSON."""

from __future__ import annotations

import time
from pathlib import Path

import click

from dialer.cli.output import Failure, config_argument, json_option, print_json, show


@click.command()
@config_argument
@click.option("--campaign", help="Which campaign; not needed when CONFIG has one only.")
@click.option(
    "--days", type=click.FloatRange(0, min_open=True), help="Only the last so many days, from a full hour on."
)
@click.option("--html", type=click.Path(path_type=Path, dir_okay=False), help="Write a page with charts to this file.")
@json_option
def report(config_path: str, campaign: str | None, days: float | None, html: Path | None, as_json: bool) -> None:
    """Report what a campaign of CONFIG did, from its store; the dialer may run or not."""
    from dialer.config.build import build_campaigns
    from dialer.config.load import load
    from dialer.report import ReportError, figures, read_store, summary
    from dialer.report.page import render
    from dialer.report.terminal import draw
    from dialer.window import legal_window
    from dispositions.callbacks import IN_TIME

    config = load(config_path, outside=False)
    campaigns = build_campaigns(config)
    if campaign is None and len(campaigns) > 1:
        raise Failure(f"name a campaign with --campaign: {', '.join(sorted(campaigns))}", code="which_campaign")
    name = campaign or next(iter(campaigns))
    if name not in campaigns:
        raise Failure(
            f"{config_path} has no campaign {name!r}; it has {', '.join(sorted(campaigns))}", code="unknown_campaign"
        )
    # a full hour: agents' times are kept by the hour
    now = time.time()
    since = 0.0 if days is None else max(0.0, now - days * 86400) // 3600 * 3600
    unit = campaigns[name]
    zone = unit.policy.rules.timezone
    try:
        result = figures(
            read_store(
                config.file.store.url,
                name,
                since,
                lambda at: legal_window(unit.window, at, zone, unit.time_scale)[0],
                at=now,
                within=IN_TIME / unit.time_scale,
            ),
            abandon_cap=unit.abandon_cap,
            settings={"speed": config.file.time_scale, "window": unit.window},
        )
        if html is not None:
            html.write_text(render(result), encoding="utf-8")
    except ReportError as error:
        raise Failure(str(error), code="no_report") from None
    except OSError as error:
        raise Failure(f"{html}: {error.strerror}", code="no_report") from None
    if as_json:
        print_json(summary(result))
    else:
        show(draw(result))
        if html is not None:
            show(f"report: {html.resolve()}")
