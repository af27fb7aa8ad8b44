"""One power cycle of the phone, from power on to idle."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Iterable
from typing import TYPE_CHECKING

from hil.virtual.phone import dhcp, language, network, parameters, profiles, sntp, web
from hil.virtual.phone.clock import Clock
from hil.virtual.phone.errors import NoAnswer, Trouble
from hil.virtual.phone.flash import Flash
from hil.virtual.phone.habits import Habits, everywhere
from hil.virtual.phone.log import ERROR, Log
from hil.virtual.phone.parameters import Settings
from hil.virtual.phone.unit import Unit

if TYPE_CHECKING:
    from hil.virtual.phone.enrolment import Enrolment
    from hil.virtual.phone.flash import Stored

FIRST_FILE = "J100Supgrade.txt"
LINK_WITHIN = 60.0  # real seconds
_FETCH_TRIES = 3


class Phone:
    """A phone with its power on. `restart` restarts it by itself; None where it has done so already."""

    def __init__(
        self, unit: Unit, habits: Habits, flash: Flash, clock: Clock, interface: str, restart: Callable[[], None] | None
    ) -> None:
        self._unit = unit
        self._habits = habits
        self._flash = flash
        self._clock = clock
        self._interface = interface
        self._restart = restart
        self._log = Log(clock, unit.host_name)
        self._parameters = parameters.known(unit, habits)

    def boot(self, delay: float) -> None:
        """Boots: `delay` phone seconds of start-up, network, settings, time, certificates."""
        self._log.say("NETMGR", f"{self._unit.model} firmware {self._unit.firmware}, power on")
        self._clock.sleep(delay)
        try:
            from_dhcp = self._join_network()
        except Trouble as trouble:
            self._log.say("NETMGR", str(trouble), ERROR)
            return
        settings = Settings(self._parameters, from_dhcp, self._read_files(Settings(self._parameters, from_dhcp, {})))
        self._log.configure(settings)
        self._log.say("NETMGR", f"settings read, {len(settings.given)} parameters set")
        self._restart_if_new(settings)
        self._set_clock(settings["SNTPSRVR"])
        self._certificates(settings)
        self._log.say("NETMGR", "boot finished")
        self._renew_when_due(settings)

    def _join_network(self) -> dict[str, str]:
        try:
            network.bring_up("lo")
            network.wait_for_link(self._interface, LINK_WITHIN)
            network.clear(self._interface)
            lease = dhcp.obtain(self._interface, self._unit)
            network.configure(self._interface, lease.address, lease.netmask, lease.router)
        except OSError as problem:
            raise NoAnswer(f"{self._interface}: {problem}") from problem
        self._log.say("DHCP", f"address {lease.address}")
        return dict(lease.settings)

    def _read_files(self, settings: Settings) -> dict[str, str]:
        macros = settings_macros(self._unit)
        folder = file_server(settings, self._unit)

        def fetch(name: str) -> bytes | None:
            for _ in range(_FETCH_TRIES):
                try:
                    answer = web.exchange(f"{folder}{name}", self._unit.user_agent)
                except NoAnswer as problem:
                    self._log.say("NETMGR", str(problem), ERROR)
                    self._clock.sleep(1.0)
                else:
                    self._log.say("NETMGR", f"file {name}: HTTP {answer.status}")
                    return answer.body if answer.status == 200 else None
            return None

        if not folder:
            self._log.say("NETMGR", "no file server is known", ERROR)
            return {}
        return language.read_files(FIRST_FILE, fetch, macros, lambda *setting: parameters.accepted(self._parameters, *setting))

    def _restart_if_new(self, settings: Settings) -> None:
        if not self._habits.restarts_on_new_settings:
            return
        mark = hashlib.sha256(json.dumps(settings.given, sort_keys=True).encode()).hexdigest()
        if mark != self._flash.settings_mark():
            self._flash.remember_settings_mark(mark)
            if self._restart is not None:
                self._log.say("NETMGR", "restarting after new settings")
                self._restart()

    def _set_clock(self, servers: str) -> None:
        for server in filter(None, (name.strip() for name in servers.split(","))):
            try:
                self._clock.set(sntp.ask(server))
            except Trouble as trouble:
                self._log.say("NETMGR", str(trouble), ERROR)
            else:
                self._flash.remember_time(self._clock.now())
                self._log.say("NETMGR", f"time set by {server}")
                return

    def _certificates(self, settings: Settings) -> None:
        held = {slot: stored.url for slot, stored in self._flash.certificates().items()}
        server = file_server(settings, self._unit, folder=False)
        plan = profiles.plan(settings, self._unit, self._habits, held, self._flash.urls(), server)
        self._flash.remember_urls(profiles.urls(settings, self._unit))
        for slot in plan.clear:
            self._flash.delete(slot)
            self._log.say("CERTMGMT", f"profile {slot}: certificate deleted")
        for slot, reason in plan.idle.items():
            self._log.say("CERTMGMT", f"profile {slot}: {reason}")
        if plan.enrol:
            self._clock.sleep(self._habits.waits_before_enrolling)
            self._poll(self._begin(plan.enrol))

    def _renew_when_due(self, settings: Settings) -> None:
        """Renews what is held as it falls due, until the power goes or there is nothing left to renew."""
        if not self._flash.certificates():
            return
        from hil.virtual.phone.renewal import Renewals

        told = profiles.urls(settings, self._unit)
        percents = {slot: int(settings[parameters.slotted("MYCERTRENEW", slot)]) for slot in profiles.slots(self._unit)}
        renewals = Renewals(self._habits, percents, self._clock.now() - self._clock.uptime())
        while True:
            held = {slot: stored for slot, stored in self._flash.certificates().items() if told.get(slot) == stored.url}
            upcoming = renewals.next(held)
            if upcoming is None:
                return
            slot, at = upcoming
            self._clock.sleep(at - self._clock.now())
            began = self._clock.now()
            profile = profiles.profile(slot, told[slot], settings, self._unit, self._habits)
            self._log.say("CERTMGMT", f"profile {slot}: renewing, {profile.key_bits} bit key")
            self._renew(profile, held[slot])
            renewals.tried(slot, began, self._flash.certificates()[slot] != held[slot])

    def _renew(self, profile: profiles.Profile, old: Stored) -> None:
        from hil.virtual.phone.enrolment import Enrolment

        renewal = Enrolment(profile, self._unit, self._habits, self._clock, old=old)
        self._poll([renewal] if self._step(renewal, renewal.begin) else [])

    def _begin(self, wanted: Iterable[profiles.Profile]) -> list[Enrolment]:
        """Sends every profile's request; gives those that are pending."""
        # Importing the cryptography takes longer than asking DHCP for an address, and many boots need none.
        from hil.virtual.phone.enrolment import Enrolment

        pending = []
        for profile in wanted:
            if profile.prompts:
                self._log.say("CERTMGMT", f"profile {profile.slot}: asking the user for the SCEP password")
                self._clock.sleep(self._habits.prompt)
                self._log.say("CERTMGMT", f"profile {profile.slot}: nobody gave the SCEP password", ERROR)
                continue
            self._log.say("CERTMGMT", f"profile {profile.slot}: enrolling, {profile.key_bits} bit key")
            enrolment = Enrolment(profile, self._unit, self._habits, self._clock)
            if self._step(enrolment, enrolment.begin):
                pending.append(enrolment)
        return pending

    def _poll(self, pending: list[Enrolment]) -> None:
        for _ in range(self._habits.poll_limit):
            if not pending:
                return
            self._clock.sleep(self._habits.poll_interval)
            pending = [enrolment for enrolment in pending if self._step(enrolment, enrolment.poll)]
        for enrolment in pending:
            self._log.say("CERTMGMT", f"profile {enrolment.profile.slot}: still pending, given up until the next boot", ERROR)

    def _step(self, enrolment: Enrolment, step: Callable[[], Stored | None]) -> bool:
        """One exchange with the CA; whether the request is pending after it."""
        slot = enrolment.profile.slot
        try:
            stored = step()
        except Trouble as trouble:
            self._log.say("CERTMGMT", f"profile {slot}: enrolment failed: {trouble}", ERROR)
            return False
        if stored is None:
            self._log.say("CERTMGMT", f"profile {slot}: pending")
            return True
        self._log.say("CERTMGMT", f"profile {slot}: certificate received")
        self._flash.store(slot, stored, self._clock, self._habits.flash_write)
        self._log.say("CERTMGMT", f"profile {slot}: certificate stored")
        return False


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
    if not folder:
        return root
    known = {"$MACADDR": unit.mac_digits.upper(), "$SERIALNO": unit.serial.upper(), "$MODEL4": unit.model4}
    path = everywhere(settings["HTTPDIR"], known if unit.release >= (4, 0, 4) else {}).strip("/")
    return f"{root}/{path}/" if path else f"{root}/"
