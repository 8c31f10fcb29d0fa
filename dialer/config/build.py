"""From the config's tables to the rooms' own values: policies, tables, rules, pacing, secrets.

All durations of the campaigns come out divided by `time_scale`, those that the file leaves to a default or to the
jurisdiction's file included.
"""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import UTC, date, datetime
from pathlib import Path

from dialer.config.campaign_tables import CampaignTable, NextTable
from dialer.config.codes import codes_of
from dialer.config.errors import ConfigErrors
from dialer.config.list_tables import ColumnsTable, ConsentTable, ListTable, ScheduleTable
from dialer.config.load import Config
from dialer.config.model import ConfigFile
from dialer.config.scale import scaled
from dialer.config.secret import Secret, SecretError, read_secret, secret_from_env
from dialer.config.store_url import shown_url, token_path
from dispositions import (
    AttemptCap,
    CallingRules,
    CampaignPolicy,
    Consent,
    ConsentRule,
    ContactState,
    FieldSpec,
    Jurisdiction,
    ListPolicy,
    ListSpec,
    NextState,
    Outcome,
    OutcomeTable,
    Rule,
    RulesError,
    TableError,
    default_table,
    load_jurisdiction,
    parse_filter,
    week,
)
from dispositions.ground import ConsentColumns
from dispositions.sync import DatabaseSpec
from pacing import ConfigError as PacingConfigError
from pacing import PacingConfig
from pacing.allocator import AllocatorConfig

#: Where a jurisdiction says nothing: seconds, shares.
RING_FLOOR, ABANDON_CAP, WINDOW, ABANDONED_REDIAL = 15.0, 0.03, "day", 72 * 3600.0
#: When a callback's code names no time: due after a day.
CALLBACK_AFTER = 86400.0


@dataclass(frozen=True, slots=True)
class BuiltCampaign:
    """One campaign, ready for the engine. `pacing` None: manual or preview. `prompt`: the message's file, or the
    built-in one's name. Seconds and shares."""

    name: str
    table: CampaignTable
    policy: CampaignPolicy
    jurisdiction: Jurisdiction
    pacing: PacingConfig | None
    prompt: str
    ring_floor: float
    abandon_cap: float
    window: str
    time_scale: float


@dataclass(frozen=True, slots=True)
class Built:
    """The whole config as values. Secrets hide themselves when printed."""

    file: ConfigFile
    store_url: str
    store_shown: str
    token_path: Path
    campaigns: Mapping[str, BuiltCampaign]
    sharing: AllocatorConfig
    passwords: Mapping[str, Secret]
    agent_tokens: Mapping[str, Secret]
    phone_passwords: Mapping[str, Secret]
    project_tokens: Mapping[str, Secret]
    webhook_secrets: Mapping[str, Secret]
    supervisor_token: Secret | None
    mqtt_password: Secret | None
    mqtt_token: Secret | None


def build(config: Config, environ: Mapping[str, str] | None = None) -> Built:
    """Everything that the file says, as the rooms want it. Raises ConfigErrors with each mistake's place."""
    file = scaled(config.file)
    campaigns = build_campaigns(config, file)
    try:
        return _built(config, file, campaigns, os.environ if environ is None else environ)
    except SecretError as error:
        # load has looked, but the file or the variable may have gone since
        raise ConfigErrors([config.error((), str(error))]) from None


def build_campaigns(config: Config, file: ConfigFile | None = None) -> dict[str, BuiltCampaign]:
    """The campaigns alone, which need no secret. `file`: the scaled model, if it is at hand. Raises ConfigErrors."""
    file = scaled(config.file) if file is None else file
    campaigns: dict[str, BuiltCampaign] = {}
    errors = []
    for name, table in file.campaigns.items():
        try:
            campaigns[name] = _campaign(name, table, file)
        except TableError as error:
            at = ("campaigns", name, "dispositions")
            errors += [config.error(at, f"campaigns.{name}: {problem}") for problem in error.problems]
        except RulesError as error:
            errors.append(config.error(("campaigns", name, "schedule"), f"campaigns.{name}.schedule: {error}"))
        except PacingConfigError as error:
            problem = f"{error} (divided by time_scale {file.time_scale:g})" if file.time_scale != 1.0 else str(error)
            errors.append(config.error(("campaigns", name, "pacing"), f"campaigns.{name}.pacing: {problem}"))
    if errors:
        raise ConfigErrors(errors)
    return campaigns


def _built(
    config: Config, file: ConfigFile, campaigns: Mapping[str, BuiltCampaign], environ: Mapping[str, str]
) -> Built:
    mqtt = file.mqtt
    passwords = {n: read_secret(t.password_env, t.password_file, environ) for n, t in file.trunks.items()}
    phones = {n: read_secret(a.password_env, a.password_file, environ) for n, a in file.agents.items()}
    tokens = {n: read_secret(a.token_env, a.token_file, environ) for n, a in file.agents.items()}
    projects = {n: read_secret(t.token_env, t.token_file, environ) for n, t in file.tokens.items()}
    hooks = {n: read_secret(h.secret_env, h.secret_file, environ) for n, h in file.webhooks.items()}
    return Built(
        file=file,
        store_url=file.store.url,
        store_shown=shown_url(file.store.url),
        token_path=token_path(file.store.url, config.path),
        campaigns=campaigns,
        sharing=AllocatorConfig(band=file.sharing.band, dwell=file.sharing.dwell, gain=file.sharing.gain),
        passwords={name: secret for name, secret in passwords.items() if secret is not None},
        agent_tokens={name: secret for name, secret in tokens.items() if secret is not None},
        phone_passwords={name: secret for name, secret in phones.items() if secret is not None},
        project_tokens={name: secret for name, secret in projects.items() if secret is not None},
        webhook_secrets={name: secret for name, secret in hooks.items() if secret is not None},
        supervisor_token=read_secret(file.http.token_env, file.http.token_file, environ),
        mqtt_password=read_secret(mqtt.password_env, mqtt.password_file, environ) if mqtt else None,
        mqtt_token=secret_from_env(mqtt.command_token_env, environ) if mqtt and mqtt.command_token_env else None,
    )


def _campaign(name: str, table: CampaignTable, file: ConfigFile) -> BuiltCampaign:
    scale = file.time_scale
    place = load_jurisdiction(table.jurisdiction)
    pacing = table.pacing
    floor = pacing.ring_floor
    if floor is None:
        floor = min((place.ring_floor or RING_FLOOR) / scale, pacing.ring_timeout)
    cap = pacing.abandon_cap if pacing.abandon_cap is not None else place.abandon_cap or ABANDON_CAP
    return BuiltCampaign(
        name=name,
        table=table,
        policy=_policy(name, table, file, place),
        jurisdiction=place,
        pacing=_pacing(table, floor, cap, scale),
        prompt=table.message if table.message is not None else default_prompt(),
        ring_floor=floor,
        abandon_cap=cap,
        window=pacing.window or place.window or WINDOW,
        time_scale=scale,
    )


def list_spec(name: str, table: ListTable) -> ListSpec | None:
    """How to read a list's file; None for a list without one."""
    if table.path is None:
        return None
    columns = table.columns
    rename = {columns.name: "name"} if columns.name is not None else {}
    if columns.language is not None:
        rename[columns.language] = "language"
    return ListSpec(
        name=name,
        path=Path(table.path),
        numbers=tuple(columns.number),
        external_id=columns.id,
        zone=columns.timezone,
        priority=columns.priority,
        rename=rename,
        region=table.region,
        validity=table.validity,
        delimiter=table.delimiter,
        encoding=table.encoding,
        rejects=None if table.rejects is None else Path(table.rejects),
        consent=consent_columns(columns),
        ground=None if table.consent is None else _ground(table.consent),
    )


def database_spec(name: str, table: ListTable, url: str) -> DatabaseSpec | None:
    """Where a list's company database is; None for a list without one. `url`: what its environment variable holds."""
    found = table.database
    if found is None:
        return None
    columns = found.columns.model_copy(update={"id": found.key})
    spec = list_spec(name, table.model_copy(update={"path": "-", "columns": columns}))
    assert spec is not None
    return DatabaseSpec(url, found.table, found.key, found.changed_column, spec, found.results_table)


def consent_columns(columns: ColumnsTable) -> ConsentColumns:
    """Which columns say on what ground a row may be called."""
    return ConsentColumns(columns.basis, columns.consent_at, columns.consent_source, columns.consent_until)


def default_prompt() -> str:
    """The built-in message's file."""
    from dialer.media.prompt import DEFAULT_PROMPT

    return DEFAULT_PROMPT


def _pacing(table: CampaignTable, floor: float, cap: float, scale: float) -> PacingConfig | None:
    pacing = table.pacing
    if pacing.mode == "manual" or pacing.mode == "preview":
        return None
    basis = PacingConfig()
    config = PacingConfig(
        mode=pacing.mode,
        power=pacing.calls_per_agent,
        abandon_cap=cap,
        peak=pacing.peak,
        patience=pacing.patience,
        ring_floor=floor,
        ring_timeout=pacing.ring_timeout,
        prior_ring=basis.prior_ring / scale,
        prior_handle=max(1.0, basis.prior_handle / scale),
    )
    if pacing.expected_answer_rate is not None:
        config = replace(config, prior_answer_rate=pacing.expected_answer_rate)
    if pacing.expected_handle is not None:
        config = replace(config, prior_handle=max(1.0, pacing.expected_handle))
    return config


def _policy(name: str, table: CampaignTable, file: ConfigFile, place: Jurisdiction) -> CampaignPolicy:
    scale = file.time_scale
    a_day = [cap for cap in (table.attempts_per_day, place.attempts_per_day) if cap is not None]
    abandoned = table.abandoned_redial_delay
    if abandoned is None:
        abandoned = (place.abandoned_redial_delay or ABANDONED_REDIAL) / scale
    regions = {file.lists[listed].region for listed in table.lists}
    return CampaignPolicy(
        name=name,
        table=_table(table, file, scale, (place.after_talk or 0.0) / scale),
        rules=_rules(table.schedule, place),
        redial_delay=table.redial_delay,
        abandoned_redial_delay=abandoned,
        callback_grace=table.queues.callbacks.grace,
        callback_expiry=table.queues.callbacks.expiry,
        attempts_per_day=min(a_day) if a_day else None,
        max_attempts=table.max_attempts,
        caps=tuple(AttemptCap(cap.attempts, cap.window / scale) for cap in place.caps),
        dnc_lists=tuple(file.do_not_call) if table.do_not_call == "all" else tuple(table.do_not_call),
        project_list=None if table.project is None else project_list(table.project),
        region=regions.pop() if len(regions) == 1 else None,
        lists={listed: _list_policy(file.lists[listed]) for listed in table.lists},
        recycled_share=table.recycled_share,
        consent=_consent_rule(table, place, scale),
        filter=None if table.filter is None else parse_filter(table.filter),
        callback_reminder=table.queues.callbacks.remind or None,
    )


def project_list(project: str) -> str:
    """The do-not-call list of a project's own, as the store knows it. No file's list can have that name."""
    return f"project:{project}"


def _list_policy(table: ListTable) -> ListPolicy:
    fields = {
        name: FieldSpec(field.type, tuple(field.choices), field.min, field.max, field.day_first, field.required)
        for name, field in table.fields.items()
    }
    return ListPolicy(weight=table.weight, fields=fields)


def _consent_rule(table: CampaignTable, place: Jurisdiction, scale: float) -> ConsentRule | None:
    """The jurisdiction's demand and the campaign's own, the stricter of each."""
    own = table.consent
    if place.consent is None and not own.required:
        return None
    theirs = place.consent or ConsentRule()
    lifetimes = [x for x in (own.lifetime, theirs.lifetime and theirs.lifetime / scale) if x is not None]
    bases = theirs.bases & frozenset(own.bases) if own.bases else theirs.bases
    return ConsentRule(bases, min(lifetimes) if lifetimes else None)


def _ground(table: ConsentTable) -> Consent:
    return Consent(table.basis, _midnight(table.at), table.source, _midnight(table.until))


def _midnight(day: str | None) -> float | None:
    return None if day is None else datetime.fromisoformat(day).replace(tzinfo=UTC).timestamp()


def _rules(schedule: ScheduleTable, place: Jurisdiction) -> CallingRules:
    rules = place.rules
    if schedule.hours is not None:
        hours: dict[str, list[str]] = {
            day: [f"{span.start}-{span.end}" for span in spans] for day, spans in schedule.hours.items()
        }
        rules = rules.intersect(CallingRules(hours=week(hours), timezone=rules.timezone))
    closed = rules.closed | {date.fromisoformat(day) for day in schedule.closed}
    return replace(
        rules,
        closed=closed,
        timezone=schedule.timezone or rules.timezone,
        first=_day(schedule.open_at),
        last=_day(schedule.close_at),
    )


def _day(text: str | None) -> date | None:
    return None if text is None else date.fromisoformat(text)


def _table(table: CampaignTable, file: ConfigFile, scale: float, after_talk: float) -> OutcomeTable:
    """`after_talk`: seconds that the place keeps after a conversation, whatever the line of a code leaves open."""
    basis = default_table()
    least = table.redial_delay
    outcomes = {outcome: _default(rule, scale, least) for outcome, rule in basis.outcomes.items()}
    undisposed = _default(basis.undisposed, scale, least)
    for name, entry in table.outcomes.items():
        if name == "undisposed":
            undisposed = _rule(entry, scale)
        else:
            outcomes[Outcome(name)] = _rule(entry, scale)
    return OutcomeTable(
        outcomes=outcomes,
        codes={
            code: _rested(_rule(entry if code in table.dispositions else _shared(entry, scale), scale), after_talk)
            for code, entry in codes_of(table, file).items()
        },
        undisposed=_rested(undisposed, after_talk),
        undisposed_after=basis.undisposed_after / scale,
        callback_expired=_default(basis.callback_expired, scale, 0.0),
    )


def _rested(rule: Rule, after_talk: float) -> Rule:
    """A retry that follows a conversation (no machine's), no sooner than the place lets it."""
    if not after_talk or rule.next is not NextState.RETRY or rule.relabel is not None:
        return rule
    return replace(rule, after=max(rule.after or 0.0, after_talk))


def _shared(entry: NextTable, scale: float) -> NextTable:
    """A line of a shared set, which `scaled` has left as it was written."""
    return entry if entry.after is None else entry.model_copy(update={"after": entry.after / scale})


def _default(rule: Rule, scale: float, least: float) -> Rule:
    """A rule that the file does not name: never sooner than the campaign's re-dial delay."""
    return rule if rule.after is None else replace(rule, after=max(rule.after / scale, least))


def _rule(entry: NextTable, scale: float) -> Rule:
    """`entry` has its durations scaled already; only what it leaves to the default is scaled here."""
    after = entry.after
    if after is None and entry.next == "callback":
        after = CALLBACK_AFTER / scale
    return Rule(
        next=NextState(entry.next),
        after=after,
        attempts=entry.attempts,
        exhausted=ContactState(entry.exhausted),
        personal=entry.personal,
        relabel=None if entry.person else Outcome.MACHINE,
        description=entry.label or "",
        project=entry.project,
    )
