"""`dialer init`: a folder with a first campaign, a sample list and a do-not-call file, ready to be changed."""

from __future__ import annotations

from importlib.resources import files
from pathlib import Path
from string import Template
from typing import Final

import click

from dialer.cli.output import Failure, json_option, print_json, show

#: Countries whose rules have another name than the country.
_PLACES: Final = {"GB": "uk"}
_CONSENT: Final = """
# The place wants a ground for every call. Where all people of the list agreed in the same way, say it here:
# [lists.leads.consent]
# basis = "consent"
# at = 2026-03-01
# source = "web form"
"""


@click.command()
@click.argument("folder", default=".", type=click.Path(file_okay=False, path_type=Path))
@click.option("--country", default="US", show_default=True, help="Where the people are: two letters, e.g. GB, ES.")
@json_option
def init(folder: Path, country: str, as_json: bool) -> None:
    """Write a first campaign into FOLDER: campaign.toml, contacts.csv, do-not-call.txt. Nothing is overwritten."""
    texts = starter(country.strip().upper())
    taken = sorted(name for name in texts if (folder / name).exists())
    if taken:
        raise Failure(f"{folder / taken[0]} is there already; nothing was written", code="exists")
    try:
        folder.mkdir(parents=True, exist_ok=True)
        for name, text in texts.items():
            with (folder / name).open("x", encoding="utf-8") as stream:
                stream.write(text)
    except OSError as error:
        raise Failure(f"{folder}: {error.strerror}", code="no_file") from None
    config = folder / "campaign.toml"
    if as_json:
        print_json({"config": str(config), "files": [str(folder / name) for name in texts]})
        return
    show(f"made {', '.join(str(folder / name) for name in texts)}")
    show("next: put in your carrier, your agents' phones and your list, then")
    show(f"  dialer check {config}")
    show(f"  dialer run {config}")


def starter(country: str) -> dict[str, str]:
    """File name -> text, for a country of two letters. Raises `Failure`."""
    import phonenumbers

    from dispositions.jurisdiction import jurisdictions, load_jurisdiction

    code = phonenumbers.country_code_for_region(country)
    sample = phonenumbers.example_number_for_type(country, phonenumbers.PhoneNumberType.FIXED_LINE)
    if not code or sample is None or sample.national_number is None:
        raise Failure(
            f"there is no country {country[:20]!r}; write two letters, such as US, GB or ES", code="no_country"
        )
    place = _PLACES.get(country, country.lower())
    known = place in jurisdictions()
    rules = load_jurisdiction(place) if known else None
    written = [
        phonenumbers.format_number(
            phonenumbers.PhoneNumber(
                country_code=code,
                national_number=sample.national_number + n,
                italian_leading_zero=sample.italian_leading_zero,
            ),
            phonenumbers.PhoneNumberFormat.E164,
        )
        for n in range(5)
    ]
    text = (files("dialer") / "data" / "starter.toml").read_text(encoding="utf-8")
    config = Template(text).substitute(
        country=country,
        prefixes=f'prefixes = ["+{code}"]'.ljust(32),
        caller_id=f'caller_id = "{written[0]}"'.ljust(32),
        jurisdiction=f'jurisdiction = "{place if known else "none"}"'.ljust(32),
        rules="hours, attempts, abandoned calls" if known else "no rules ship for this country: narrow the schedule",
        consent=_CONSENT if rules is not None and rules.consent is not None else "",
    )
    people = "".join(f"{number},Sample person {n}\n" for n, number in enumerate(written[1:4], 1))
    return {
        "campaign.toml": config,
        "contacts.csv": f"phone,name\n{people}",
        "do-not-call.txt": f"{written[4]}\n",
    }
