"""What contradicts itself about lists: fields, consent, filters, shared codes."""

from __future__ import annotations

from collections.abc import Iterator

from dialer.config.checks import Known
from dialer.config.codes import codes_of
from dialer.config.list_tables import FieldTable
from dialer.config.model import ConfigFile
from dialer.config.positions import KeyPath
from dialer.config.wording import Problem, did_you_mean, flaw, names


def fields(config: ConfigFile, _: Known) -> Iterator[Problem]:
    """Keys that belong to the field's type; consent with a date."""
    for name, listed in config.lists.items():
        for field, table in listed.fields.items():
            yield from _field(("lists", name, "fields", field), table)
        ground = listed.consent
        if ground is not None and ground.basis == "consent" and ground.at is None:
            text = "consent without a date proves nothing; set `at` beside it"
            yield flaw(("lists", name, "consent", "basis"), text, needs=(("lists", name, "consent", "at"),))
        if ground is not None and ground.until is not None and ground.at is not None and ground.until <= ground.at:
            text = f"{ground.until} is not after `at` ({ground.at}); allowed: a later day"
            yield flaw(("lists", name, "consent", "until"), text, needs=(("lists", name, "consent", "at"),))


_MEANT = {"choices": "choice", "min": "number", "max": "number", "day_first": "date"}


def _field(at: KeyPath, table: FieldTable) -> Iterator[Problem]:
    for key, kind in _MEANT.items():
        if key in table.model_fields_set and table.type != kind:
            text = f"means nothing with type = '{table.type}'; allowed with type = '{kind}'"
            yield flaw((*at, key), text, on_key=True, needs=((*at, "type"),))
    if table.type == "choice" and not table.choices:
        yield flaw((*at, "type"), "a choice needs `choices` beside it", needs=((*at, "choices"),))
    if table.min is not None and table.max is not None and table.max < table.min:
        yield flaw((*at, "max"), f"{table.max:g} is less than min ({table.min:g})", needs=((*at, "min"),))


def filters(config: ConfigFile, _: Known) -> Iterator[Problem]:
    """Filters that can be understood, and name fields of the lists where these are declared."""
    from dispositions.errors import ExpressionError
    from dispositions.expression import parse_filter

    for name, campaign in config.campaigns.items():
        if campaign.filter is None:
            continue
        at: KeyPath = ("campaigns", name, "filter")
        try:
            parse_filter(campaign.filter)
        except ExpressionError as error:
            yield flaw(at, f"in its line {error.line}, column {error.column}: {error.problem}")


def code_sets(config: ConfigFile, known: Known) -> Iterator[Problem]:
    """Shared sets that are there, and at least one code."""
    for name, campaign in config.campaigns.items():
        for index, shared in enumerate(campaign.codes):
            if shared not in known.names["codes"]:
                have = sorted(known.names["codes"])
                allowed = f"allowed: {names(have)}" if have else "there is no [codes.SET] table"
                text = f"there is no set of codes '{shared}'{did_you_mean(shared, have)}; {allowed}"
                yield flaw(("campaigns", name, "codes", index), text, needs=(("codes",),))
        if not codes_of(campaign, config):
            text = "is empty, and no shared set gives a code; allowed: at least one, or no agent could end a call"
            moot: tuple[KeyPath, ...] = (("campaigns", name, "codes"), ("codes",))
            yield flaw(("campaigns", name, "dispositions"), text, needs=moot, whole=True)


def consent(config: ConfigFile, known: Known) -> Iterator[Problem]:
    """A campaign may ask for more than its jurisdiction, never for less."""
    for name, campaign in config.campaigns.items():
        place = known.jurisdictions.get(campaign.jurisdiction)
        if place is None:
            continue
        at: KeyPath = ("campaigns", name, "consent")
        moot: tuple[KeyPath, ...] = (("campaigns", name, "jurisdiction"),)
        table, rules = campaign.consent, f"jurisdiction '{campaign.jurisdiction}'"
        if place.consent_lifetime is not None and (table.lifetime or 0) > place.consent_lifetime:
            text = f"longer than {rules} lets a consent last; allowed: at most {place.consent_lifetime / 86400:g} days"
            yield flaw((*at, "lifetime"), text, needs=moot)
        for index, basis in enumerate(table.bases):
            if place.consent_bases is not None and basis not in place.consent_bases:
                text = f"'{basis}' is not enough under {rules}; allowed: {names(sorted(place.consent_bases))}"
                yield flaw((*at, "bases", index), text, needs=moot)


LIST_CHECKS = (fields, filters, code_sets, consent)
