"""One power cycle of the phone, from power on to idle."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable
from typing import TYPE_CHECKING

from hil.virtual.phone import dhcp, errands, language, lldp, network, parameters, services, web
from hil.virtual.phone.asking import Asking
from hil.virtual.phone.certificates import Certificates
from hil.virtual.phone.clock import Clock
from hil.virtual.phone.errors import NoAnswer, Trouble
from hil.virtual.phone.flash import Flash
from hil.virtual.phone.habits import Habits
from hil.virtual.phone.log import ERROR, INFO, Log
from hil.virtual.phone.parameters import Settings
from hil.virtual.phone.timekeeping import TimeService
from hil.virtual.phone.unit import Unit
from hil.virtual.phone.upgrade import Running, Upgrade

if TYPE_CHECKING:
    from hil.virtual.phone.standing import StandingLines
    from hil.virtual.phone.supplicant import Supplicant

FIRST_FILE = "J100Supgrade.txt"
LINK_WITHIN = 60.0  # real seconds
_FETCH_TRIES = 3
_FRESH_TRIES, _FRESH_PAUSE = 360, 10.0  # of a release that starts for the first time; phone seconds


class Phone:
    """A phone with its power on. `restart` restarts it by itself; it has `restarted` so where that was done already.

    `runs` is its firmware, `shipped` the release that it came with.
    """

    def __init__(
        self,
        unit: Unit,
        habits: Habits,
        flash: Flash,
        clock: Clock,
        interface: str,
        restart: Callable[[], None],
        *,
        restarted: bool,
        runs: Running,
        shipped: str,
    ) -> None:
        self._unit = unit
        self._restarted = restarted
        self._runs = runs
        self._shipped = shipped
        self._habits = habits
        self._flash = flash
        self._clock = clock
        self._interface = interface
        self._restart = restart
        self._log = Log(clock, unit.host_name)
        self._parameters = parameters.known(unit, habits)
        self._supplicant: Supplicant | None = None

    def boot(self, delay: float) -> None:
        """Boots: `delay` phone seconds of start-up, network, settings, time, certificates, and what falls due later."""
        self._log.say("NETMGR", f"{self._unit.model} firmware {self._unit.firmware}, power on")
        self._clock.sleep(delay)
        try:
            from_dhcp = self._join_network()
        except Trouble as trouble:
            self._log.say("NETMGR", str(trouble), ERROR)
            return
        read = self._read_files(Settings(self._parameters, from_dhcp, {}))
        if read is None:
            return
        settings = Settings(self._parameters, from_dhcp, read)
        self._log.configure(settings)
        self._log.say("NETMGR", f"settings read, {len(settings.given)} parameters set")
        self._remember_port(settings)
        self._restart_if_new(settings)
        self._let_ask(settings)
        servers = tuple(filter(None, (name.strip() for name in settings["SNTPSRVR"].split(","))))
        time = TimeService(servers, self._clock, self._flash, self._habits, self._log)
        time.ask()
        lines = self._standing_lines(settings)
        if lines and self._habits.connects_before_enrolment:
            lines.connect()
        server = file_server(settings, self._unit, folder=False)
        redial = lines.redial if lines and not self._habits.keeps_tls_at_renewal else None
        asking = Asking(settings, self._habits, self._flash, self._clock, lambda: self._trusted(settings))
        certificates = Certificates(
            self._unit, self._habits, self._flash, self._clock, self._log, settings, time, server, asking, redial
        )
        certificates.at_boot()
        if lines:
            lines.redial()
        self._log.say("NETMGR", "boot finished")
        errands.run(self._clock, [certificates.errand(), *(lines.lines if lines else ())])

    def _join_network(self) -> dict[str, str]:
        try:
            network.bring_up("lo")
            network.wait_for_link(self._interface, LINK_WITHIN)
            network.clear(self._interface)
            lldp.speak(self._interface, self._unit)
            self._authenticate()
            lease = dhcp.obtain(self._interface, self._unit)
            network.configure(self._interface, lease.address, lease.netmask, lease.router)
        except OSError as problem:
            raise NoAnswer(f"{self._interface}: {problem}") from problem
        self._log.say("DHCP", f"address {lease.address}")
        return dict(lease.settings)

    def _authenticate(self) -> None:
        """Speaks 802.1X with the port where the settings of the boot before say so, and a certificate is there for it."""
        remembered = self._flash.port_settings()
        if not remembered:
            return
        # Threads and processes take longer to import than an address to get, and most boots need none.
        from hil.virtual.phone import supplicant

        settings = Settings(self._parameters, {}, remembered)
        held = self._flash.certificates()
        slot = supplicant.presented_slot(settings, self._habits, held)
        if slot is None:
            return
        name = supplicant.identity(settings, self._unit, self._habits)
        self._supplicant = supplicant.Supplicant(self._interface, self._flash.folder, held[slot], name, self._habits)
        self._log.say("DOT1X", f"EAP-TLS as {name} with the certificate of profile {slot}")
        passed = self._supplicant.outcome(self._habits.waits_at_port)
        self._log.say("DOT1X", {True: "port open", False: "refused", None: "no answer"}[passed], INFO if passed else ERROR)

    def _let_ask(self, settings: Settings) -> None:
        if settings["SNMPSTRING"]:
            from hil.virtual.phone import management  # ASN.1 takes long to import, and most boots need none of it

            management.serve(settings, self._unit)

    def _remember_port(self, settings: Settings) -> None:
        from hil.virtual.phone.supplicant import REMEMBERED

        self._flash.remember_port_settings({name: settings.given[name] for name in REMEMBERED if name in settings})

    def _read_files(self, settings: Settings) -> dict[str, str] | None:
        """What the files set; None where this firmware does not get so far."""
        folder = file_server(settings, self._unit)
        if not folder:
            self._log.say("NETMGR", "no file server is known", ERROR)
            return {}
        tries = (_FRESH_TRIES, _FRESH_PAUSE) if self._runs.fresh else (_FETCH_TRIES, 1.0)
        first = self._fetch(f"{folder}{FIRST_FILE}", *tries)
        if self._runs.fresh:
            self._flash.keep_firmware(self._shipped, self._runs.release, self._runs.after, fresh=False)
        self._take_firmware(self._settings_of({FIRST_FILE: first}.get).get("APPNAME", ""), folder)
        if self._runs.after == "halts":
            self._log.say("NETMGR", "halted", ERROR)
            return None
        return self._settings_of(lambda name: first if name == FIRST_FILE else self._fetch(f"{folder}{name}"))

    def _settings_of(self, fetch: Callable[[str], bytes | None]) -> dict[str, str]:
        macros = settings_macros(self._unit)
        return language.read_files(FIRST_FILE, fetch, macros, lambda *setting: parameters.accepted(self._parameters, *setting))

    def _take_firmware(self, name: str, folder: str) -> None:
        if name:
            Upgrade(self._unit, self._shipped, self._flash, self._clock, self._log, self._start_afresh).take(name, folder)

    def _fetch(self, url: str, tries: int = _FETCH_TRIES, pause: float = 1.0) -> bytes | None:
        name = url.rpartition("/")[2]
        for _ in range(tries):
            try:
                answer = web.exchange(url, self._unit.user_agent)
            except NoAnswer as problem:
                self._log.say("NETMGR", str(problem), ERROR)
                self._clock.sleep(pause)
            else:
                self._log.say("NETMGR", f"file {name}: HTTP {answer.status}")
                return answer.body if answer.status == 200 else None
        return None

    def _standing_lines(self, settings: Settings) -> StandingLines | None:
        """Lines to the services over TLS that the settings name, None where they name none."""
        told = services.told(settings, self._unit)
        if not told:
            return None
        # Importing TLS takes longer than asking DHCP for an address, and many boots need none.
        from hil.virtual.phone.standing import StandingLines

        trusted = self._trusted(settings)
        return StandingLines(told, settings, self._unit, self._habits, self._clock, self._log, self._flash, trusted)

    def _trusted(self, settings: Settings) -> str:
        """The certificates of TRUSTCERTS as PEM."""
        files = filter(None, settings["TRUSTCERTS"].split(","))
        folder = file_server(settings, self._unit)
        found = [self._fetch(name if name.startswith("http://") else f"{folder}{name}") for name in files]
        return "\n".join(content.decode("latin-1") for content in found if content)

    def _restart_if_new(self, settings: Settings) -> None:
        if not self._habits.restarts_on_new_settings:
            return
        mark = hashlib.sha256(json.dumps(settings.given, sort_keys=True).encode()).hexdigest()
        if mark != self._flash.settings_mark():
            self._flash.remember_settings_mark(mark)
            if not self._restarted:
                self._log.say("NETMGR", "restarting after new settings")
                self._start_afresh()

    def _start_afresh(self) -> None:
        if self._supplicant is not None:
            self._supplicant.end()
        self._restart()


def settings_macros(unit: Unit) -> dict[str, str]:
    """What IF and GET know."""
    return {
        "$MACADDR": unit.mac_digits,
        "$MODEL": unit.model,
        "$MODEL4": unit.model4,
        "$SERIALNO": unit.serial,
        "$GROUP": "0",
        "$APPNAME_IN_USE": unit.firmware,
        "$HWVERS": "1",
        "$SIG": "2",
    }


def file_server(settings: Settings, unit: Unit, folder: bool = True) -> str:
    """`http://host[:port]` of the file server, with HTTPDIR and a final "/" where `folder`; "" where none is set."""
    host = settings["HTTPSRVR"].split(",")[0].strip()
    if not host:
        return ""
    root = f"http://{host}" if settings["HTTPPORT"] == "80" else f"http://{host}:{settings['HTTPPORT']}"
    return f"{root}{services.folder(settings['HTTPDIR'], unit)}" if folder else root
