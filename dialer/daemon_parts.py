"""The parts of a running daemon, opened and closed in order.

Opened: store, ledger, SIP, media, engine, which first ends what a crash left standing; then lists, MQTT, web. Closed
the other way round: nobody may ask for anything any more, then nothing is dialed, then what is on its way is written
down.
"""

from __future__ import annotations

import asyncio
import gc
import secrets
import sys
from collections import Counter
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import AsyncExitStack, ExitStack, asynccontextmanager, contextmanager
from typing import Any

import structlog

from dialer.assembly import make_agents, make_campaign, make_locator, make_trunks
from dialer.clock import Clock
from dialer.config.build import Built, build
from dialer.config.door_checks import kept_changes
from dialer.config.load import Config
from dialer.config.sip_tables import REGISTER
from dialer.config.store_url import address_path, make_store_directory
from dialer.desk import Desk
from dialer.door_keys import check_tokens, make_tokens, token_texts
from dialer.engine import Engine
from dialer.events import EventStream, ServiceAlert
from dialer.ledger import Ledger
from dialer.lists import import_lists
from dialer.logs import EventLog
from dialer.media import MediaError
from dialer.media.direct import DirectBackend
from dialer.metrics import Metrics
from dialer.mqtt import BridgeConfig, MqttBridge
from dialer.outbox import StoreOutbox
from dialer.phone_book import REALM, PhoneBook
from dialer.registers import RegisterWatch
from dialer.reload import Reloader
from dialer.resolve import ResolveError
from dialer.sale_watch import SaleWatch
from dialer.services import Services
from dialer.sip import Registrar
from dialer.snapshot import gauges, standing
from dialer.store_lock import StoreInUse, only_daemon
from dialer.switchboard import Switchboard
from dialer.target_keeper import TargetKeeper
from dialer.tracing import Tracer
from dialer.transport.opening import OpenError, open_transports, renew
from dialer.trunk import parse_address
from dialer.web import WebServer, create_app
from dialer.webhooks import WebhookKeeper
from dispositions import DispositionsError, ImportFileError, Store, journal

log = structlog.get_logger("daemon")

#: Seconds between two refreshes of the metrics' gauges.
OBSERVE_EVERY = 1.0
#: Key of the secret that SIP branches are made with, hexadecimal.
BRANCH_KEY = "sip/branch_key"
#: How often threads hand over to each other, seconds: the writer's thread must not hold up a 200 OK for Python's 5 ms.
SWITCH_INTERVAL = 0.0005


class StartError(Exception):
    """The daemon cannot start; the text is one line that says why and what to do."""


class Parts:
    """What the composition root holds while the daemon runs. `desk` is where commands go."""

    desk: Desk

    def __init__(self, config: Config, built: Built, engine: Engine, metrics: Metrics, outbox: StoreOutbox) -> None:
        self.config = config
        self.time_scale = built.file.time_scale
        self.engine = engine
        self.metrics = metrics
        self.outbox = outbox
        self.ledger_task: asyncio.Task[None] | None = None
        self.reloader: Reloader | None = None
        self._reloads: set[asyncio.Task[Any]] = set()
        self._tasks: list[asyncio.Task[None]] = []

    def reload_soon(self) -> None:
        """SIGHUP: read the config again; what came of it is in the log."""
        if self.reloader is not None:
            task = asyncio.ensure_future(self.reloader.from_signal())
            self._reloads.add(task)
            task.add_done_callback(self._reloads.discard)

    def start(self) -> None:
        """Begin to dial."""
        self._tasks = [
            asyncio.create_task(self.engine.run(), name="engine"),
            asyncio.create_task(self._observe(), name="gauges"),
            asyncio.create_task(self._keeper().run(), name="targets"),
            asyncio.create_task(self._registers().run(), name="registers"),
            asyncio.create_task(self._keep_phones(), name="phones"),
        ]

    async def wait(self, *others: asyncio.Task[Any]) -> None:
        """Until one of `others` is done; a part of the daemon that fails raises its exception here instead."""
        watched = [*others, *self._tasks, *([self.ledger_task] if self.ledger_task else [])]
        done, _ = await asyncio.wait(watched, return_when=asyncio.FIRST_COMPLETED)
        for task in done:
            task.result()

    async def stop(self) -> None:
        """No loop of the engine runs any more."""
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    def _keeper(self) -> TargetKeeper:
        services = self.engine.services
        return TargetKeeper(self.engine.trunks, services.locator, services.clock, services.counters)

    def _registers(self) -> RegisterWatch:
        services = self.engine.services
        config = self.reloader if self.reloader is not None else self
        return RegisterWatch(
            lambda: config.config.file.do_not_call, services.ledger.store, services.clock, services.stream
        )

    async def _keep_phones(self) -> None:
        services = self.engine.services
        if services.phones is not None:
            await services.phones.run(services.switch, self.config.file.sip.phone_keepalive)
        await asyncio.Event().wait()  # it ends with the others

    async def _observe(self) -> None:
        while True:
            self.metrics.observe(gauges(self.engine, self.outbox.waiting))
            await asyncio.sleep(OBSERVE_EVERY)


@asynccontextmanager
async def open_parts(config: Config) -> AsyncIterator[Parts]:
    """Everything open and recovered, ready for `Parts.start`. Raises StartError."""
    built = build(config)
    file = built.file
    clock, stream, metrics, counters = Clock(), EventStream(), Metrics(), Counter[str]()
    loop = asyncio.get_running_loop()
    sys.setswitchinterval(SWITCH_INTERVAL)
    async with AsyncExitStack() as stack:
        stack.enter_context(_held(built))
        store = await _open_store(built, clock)
        stack.callback(store.close)

        def alert(kind: str) -> Callable[[str], None]:
            return lambda detail: stream.publish(ServiceAlert(at=clock.at(), campaign="", alert=kind, detail=detail))

        ledger = Ledger(
            store,
            interval=file.store.commit_interval,
            on_refused=lambda error: _refused(counters, error),
            on_locked=alert("store_locked"),
            on_restored=lambda: alert("store_ok")("commits go through again"),
            on_commit=lambda seconds, operations: metrics.store_committed(seconds),
        )
        writing = asyncio.create_task(ledger.run(), name="ledger")
        stack.push_async_callback(ledger.close)

        switch: Switchboard | None = None
        try:
            settings: dict[str, Any] = {"branch_key": await _branch_key(ledger)}
            registrar = settings["registrar"] = Registrar(
                REALM, _phone_accounts(built), algorithms=file.sip.phone_digest
            )
            settings["session_expires"] = int(file.sip.session_expires) or None
        except DispositionsError as error:
            raise StartError(f"store {built.store_shown}: {error}") from None
        try:
            udp = await open_transports(
                file,
                lambda event: switch.on_event(event) if switch is not None else None,
                clock=clock.now,
                **settings,
            )
        except OpenError as error:
            raise StartError(str(error)) from None
        stack.callback(udp.close)
        switch = Switchboard(udp, counters)
        phones = PhoneBook(registrar, stream, clock)
        switch.on_phone = phones.on_event

        engine: Engine | None = None
        try:
            media = DirectBackend(
                file.media.listen,
                file.media.port_min,
                file.media.port_max,
                prompts=sorted({c.prompt for c in built.campaigns.values()}),
                on_finished=lambda token, good: engine.message_finished(token, good) if engine is not None else None,
                on_lost=alert("media_lost"),
                on_restored=lambda: alert("media_restarted")("the media process is back with its ports"),
            )
            await media.start()
        except (MediaError, ValueError) as error:
            raise StartError(f"media: {error}") from None
        stack.push_async_callback(media.close)

        services = Services(
            clock=clock, ledger=ledger, switch=switch, media=media, stream=stream, loop=loop,
            from_host=udp.sent_by, locator=make_locator(file),
            outbox=file.mqtt is not None, counters=counters, phones=phones,
        )  # fmt: skip
        try:
            engine = await _make_engine(built, services, media)
        except (ResolveError, MediaError) as error:
            raise StartError(str(error)) from None
        except DispositionsError as error:
            raise StartError(f"store {built.store_shown}: {error}") from None
        stream.subscribe(EventLog().on_event)
        stream.subscribe(metrics.on_event)
        stream.subscribe(engine.on_event)
        outbox = StoreOutbox(ledger)
        services.outbox_wake = outbox.wake.set
        parts = Parts(config, built, engine, metrics, outbox)
        parts.ledger_task = writing
        try:
            await engine.recover()  # before anything that takes its time: calls may stand since the crash
            await import_lists(built, store, clock, stream)
        except ImportFileError as error:
            raise StartError(f"lists: {error}") from None
        except DispositionsError as error:
            raise StartError(f"store {built.store_shown}: {error}") from None

        reloader = Reloader(config, engine, stream, clock)
        parts.reloader = reloader
        desk = parts.desk = Desk(engine, reloader.from_command)
        bridge: MqttBridge | None = None
        if file.mqtt is not None:
            bridge = MqttBridge(_bridge_config(built), stream, outbox, desk, metrics, clock=clock.at)
            bridge.know(standing(engine))  # what is retained there may be of a run that ended in a crash
            await bridge.start()
            stack.push_async_callback(bridge.stop)
        sales = SaleWatch(config, services, metrics)
        sales.start()
        stack.push_async_callback(sales.close)
        hooks = WebhookKeeper(file, built.webhook_secrets, services, metrics)
        hooks.start()
        stack.push_async_callback(hooks.close)
        try:
            tokens = make_tokens(built)
        except ValueError as error:
            raise StartError(str(error)) from None
        reloader.check = check_tokens

        def taken(fresh: Built) -> None:
            tokens.replace(*token_texts(fresh))
            phones.take(_phone_accounts(fresh))
            if bridge is not None:
                bridge.know(standing(engine))
            if (problem := renew(udp, fresh.file)) is not None:
                log.error("certificates could not be read", problem=problem)
                alert("certificate_not_read")(problem)
            hooks.take(fresh.file, fresh.webhook_secrets)

        reloader.on_taken = taken
        app = create_app(
            desk, metrics, tokens, stream,
            health=lambda: _health(services, bridge, sales, hooks), tracer=Tracer(switch, clock.at),
            metrics_without_token=file.http.allow_metrics_without_token, clock=clock.now,
        )  # fmt: skip
        server = WebServer(app, *parse_address(file.http.listen))
        try:
            await server.start()
        except OSError as error:
            raise StartError(f"http.listen {file.http.listen}: {error.strerror}") from None
        stack.push_async_callback(server.stop)
        stack.push_async_callback(parts.stop)
        stack.push_async_callback(engine.close)
        gc.collect()
        gc.freeze()
        gc.set_threshold(20_000, 20, 50)
        web_address = "{}:{}".format(*server.address)
        # the command line looks here: the config may leave the port to the system, or have been edited since
        written = address_path(built.store_url, config.path)
        written.write_text(f"{web_address}\n", encoding="ascii")
        stack.callback(written.unlink, missing_ok=True)
        log.info("running", sip=services.from_host, http=web_address, store=built.store_shown)
        yield parts


async def _make_engine(built: Built, services: Services, media: DirectBackend) -> Engine:
    trunks = await make_trunks(built, services.locator)
    campaigns = {}
    for name, campaign in built.campaigns.items():
        learned = await services.ledger.load(f"pacing/{name}")
        seconds = await media.load_prompt(campaign.prompt)
        campaigns[name] = make_campaign(campaign, trunks, seconds, learned, services.clock.now(), services.counters)
    engine = Engine(services, campaigns, make_agents(built.file), trunks)
    engine.sharing.configure(built.sharing)
    return engine


@contextmanager
def _held(built: Built) -> Iterator[None]:
    """The store's directory is there, and no other daemon works on it."""
    with ExitStack() as stack:
        try:
            make_store_directory(built.store_url)
            stack.enter_context(only_daemon(built.store_url))
        except OSError as error:
            raise StartError(f"store {built.store_shown}: its directory: {error.strerror}") from None
        except StoreInUse as error:
            raise StartError(f"store {built.store_shown}: {error}") from None
        yield


async def _branch_key(ledger: Ledger) -> bytes:
    """The secret that our INVITEs' branches are made with. The same after a restart: a call that is answered then is
    known for ours by it.
    """
    known = await ledger.load(BRANCH_KEY)
    if isinstance(known, str):
        return bytes.fromhex(known)
    fresh = secrets.token_hex(32)
    await ledger.write(lambda tx: tx.save_state(BRANCH_KEY, fresh))
    return bytes.fromhex(fresh)


async def _open_store(built: Built, clock: Clock) -> Store:
    try:
        store = Store(built.store_url)
        store.migrate()
        for campaign in built.campaigns.values():
            store.register(campaign.policy)
        journal.keep(store, kept_changes(built.file) > 0)
    except DispositionsError as error:
        raise StartError(f"store {built.store_shown}: {error}") from None
    return store


def _refused(counters: Counter[str], error: DispositionsError) -> None:
    counters[f"store_refused_{type(error).__name__}"] += 1
    log.error("the store refused a step of a call", problem=str(error))


def _phone_accounts(built: Built) -> dict[str, str]:
    """Agents whose phone registers -> its password."""
    found = built.phone_passwords
    return {n: found[n].reveal() for n, a in built.file.agents.items() if a.phone == REGISTER and n in found}


def _bridge_config(built: Built) -> BridgeConfig:
    table = built.file.mqtt
    assert table is not None  # the caller looked
    password, token = built.mqtt_password, built.mqtt_token
    return BridgeConfig(
        host=table.host, port=table.port, client_id=table.client_id, topic=table.topic, username=table.username,
        password=password.reveal() if password else None, tls=table.tls, commands=table.commands,
        command_token=token.reveal() if token else None,
    )  # fmt: skip


def _health(services: Services, bridge: MqttBridge | None, sales: SaleWatch, hooks: WebhookKeeper) -> dict[str, str]:
    """Part -> what is wrong with it; empty when all is well."""
    trouble = {}
    if services.ledger.locked:
        trouble["store"] = "locked: commits wait"
    if not services.media.stats().alive:
        trouble["media"] = "the media process is being started again"
    if sales.trouble is not None:
        trouble["sales"] = sales.trouble
    if hooks.trouble is not None:
        trouble["webhooks"] = hooks.trouble
    if bridge is not None and not bridge.connected:
        trouble["broker"] = "away: outcomes wait on disk, dialing goes on"
    return trouble
