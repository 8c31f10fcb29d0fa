"""`dialer schema`: the JSON Schema of config files."""

from __future__ import annotations

import click

from dialer.cli.output import json_option, print_json


@click.command()
@json_option
def schema(as_json: bool) -> None:
    """Print the JSON Schema (draft 2020-12) of config files.

    Save it beside your config files and name it in your editor, e.g. for taplo:
    `#:schema ./dialer.schema.json` as the first line of the TOML file. The output is JSON with and without --json.
    """
    from dialer.config.schema import json_schema

    print_json(json_schema())
