"""The `dialer` command: its subcommands by name, each imported when it is called, and what becomes of their errors."""

from __future__ import annotations

import os
import sys
from collections.abc import Sequence

import click

from dialer.cli.lazy import Entry, LazyGroup
from dialer.cli.output import Failure, forget, show_failure
from dialer.config.errors import ConfigErrors

INTERRUPTED = 130


COMMANDS: dict[str, Entry] = {
    "init": Entry("dialer.cli.init", "init", "Write a first campaign into a folder, ready to be changed."),
    "run": Entry("dialer.cli.run", "run", "Run the campaigns of a config file until Ctrl-C."),
    "check": Entry("dialer.cli.check", "check", "Check a config file and say what would be dialable now, and why."),
    "simulate": Entry("dialer.cli.simulate", "simulate", "Say what to expect of a campaign before it runs."),
    "schema": Entry("dialer.cli.schema", "schema", "Print the JSON Schema of config files, for editors."),
    "import": Entry("dialer.cli.lists", "import_list", "Import contact lists."),
    "list": Entry("dialer.cli.list", "list_group", "Report, export, forecast and sync contact lists."),
    "status": Entry("dialer.cli.status", "status", "Show campaigns, agents, trunks and queues of a running dialer."),
    "contact": Entry("dialer.cli.contact", "contact", "Show a number's history and why it is or is not dialable."),
    "agent": Entry("dialer.cli.agent", "agent", "Log an agent in and out, end wrap-up, code a call, ..."),
    "reload": Entry("dialer.cli.control", "reload", "Make a running dialer read its config file again."),
    "pause": Entry("dialer.cli.control", "pause", "Place no more calls in a campaign."),
    "resume": Entry("dialer.cli.control", "resume", "Dial again in a paused campaign."),
    "add-contacts": Entry("dialer.cli.control", "add_contacts", "Add contacts to a campaign while it runs."),
    "dnc": Entry("dialer.cli.control", "dnc", "Mark numbers do-not-call, from now on."),
    "sip": Entry("dialer.cli.sip", "sip", "Ping a trunk, place a test call, trace a call's messages."),
    "sales": Entry("dialer.cli.sales", "sales", "List, show, retry and cancel sales."),
    "report": Entry("dialer.cli.report", "report", "Report what a campaign did: tables, HTML page, JSON."),
    "demo": Entry("dialer.cli.demo", "demo", "Show a campaign on real SIP with a simulated carrier and agents."),
}


def _version(ctx: click.Context, _: click.Parameter, wanted: bool) -> None:
    if wanted and not ctx.resilient_parsing:
        from importlib.metadata import version

        click.echo(f"dialer {version('predictive-dialer')}")
        ctx.exit()


@click.group(
    cls=LazyGroup, entries=COMMANDS, context_settings={"help_option_names": ["-h", "--help"]}, no_args_is_help=False
)
@click.option("--version", is_flag=True, expose_value=False, is_eager=True, callback=_version, help="Show the version.")
def dialer() -> None:
    """A predictive outbound dialer: one config file, one contact list, and it dials.

    Begin with `dialer demo`, then `dialer init my-folder`, `dialer check` what it made, and `dialer run` it.
    """


def run(arguments: Sequence[str] | None = None) -> int:
    """Run the command line; returns the exit code. No mistake of a user ends in a traceback."""
    forget()
    try:
        result = dialer.main(
            args=None if arguments is None else list(arguments), prog_name="dialer", standalone_mode=False
        )
        return result if isinstance(result, int) else 0
    except Failure as failure:
        show_failure(failure)
        return failure.exit_code
    except ConfigErrors as errors:
        number = len(errors.errors)
        text = f"the config file has {number} mistakes" if number > 1 else str(errors)
        show_failure(Failure(text, code="config", details=[str(error) for error in errors.errors]))
        return 1
    except click.exceptions.Abort:
        return INTERRUPTED
    except click.UsageError as error:
        path = error.ctx.command_path if error.ctx is not None else "dialer"
        show_failure(Failure(f"{error.format_message()} See `{path} --help`.", code="usage"))
        return 2
    except click.ClickException as error:
        show_failure(Failure(error.format_message()))
        return 1
    except KeyboardInterrupt:
        return INTERRUPTED
    except BrokenPipeError:
        # `dialer ... | head`: the reader has gone. Keep the interpreter from complaining at exit.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 1
