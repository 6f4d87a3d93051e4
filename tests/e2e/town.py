"""A small town of real processes: gateway, bank, shop, and the households' things, on one clock that a test steps.

    with Town(folder, seed=7) as town:
        town.shop.next(town.lake.id, "late")
        town.live_until(day=20)

The clock moves six hours at a time, and only when all is quiescent: first everybody does what the new hour asks for,
then the devices tell of the hours that passed, then people answer. Each part ends when nothing that is due is left to
do in any database, and nothing left to tell. What happened is kept in `chronicle`, and at the end in chronicle.txt.
"""

import threading
from collections.abc import Callable
from contextlib import ExitStack
from datetime import UTC, datetime
from pathlib import Path
from types import TracebackType
from typing import Any, Literal, Self, TypeAlias, TypeVar

import httpx
import msgspec
from playwright.sync_api import Browser
from sqlalchemy import text

from devices.clock import ClockSetting, write_clock
from gateway.assembly import Gateway, assemble, make_worker
from gateway.cli.installation import initialise
from gateway.config import read_settings, write_env_file
from gateway.domain import cart
from gateway.domain.replenishment import DAY_US, HOUR_US
from gateway.steps.acts.household import freeze_everything, unfreeze_everything
from gateway.store.merchant_secrets import seal_merchant
from gateway.web.sessions import issue_api_token, issue_link
from tests.e2e.homes import LAKE, MILL, ROSA, SHOP_ID, Household, link, move_in, open_shop
from tests.e2e.kills import Kills, Part
from tests.e2e.outside import SECRET, Bank, Shop
from tests.e2e.people import Cart, Person
from tests.e2e.programs import REPLENISH, Apart, Program, eventually, free_port, run, simulator

Broker = Literal["embedded", "mosquitto"]
Entity = TypeVar("Entity")
Value: TypeAlias = Any
"""What a column may be asked to equal."""

BEGINS_US = 1_767_571_200_000_000  # Monday 5 January 2026, midnight UTC
STEP_US = 6 * HOUR_US
STEPS_A_DAY = DAY_US // STEP_US
DEPOSIT_MINOR = 500_000
READY_WITHIN_S = 120
QUIESCENT_WITHIN_S = 240
SPEAK_WITHIN_S = 240
BANK_ANSWERS_WITHIN_S = "5"
"""An answer that a busy machine delays is no lost answer; the one that is lost is waited for so long."""


class Town:
    """Three households, one shop, one bank, one gateway; a context manager that ends all of them."""

    def __init__(
        self,
        folder: Path,
        *,
        seed: int,
        browser: Browser | None = None,
        broker: Broker = "embedded",
        kills: Kills | None = None,
        apart: bool = False,
        database_url: str = "",
    ) -> None:
        folder.mkdir(parents=True, exist_ok=True)
        self.folder = folder
        self.seed = seed
        self.now_us = BEGINS_US
        self.chronicle: list[str] = []
        self.secrets = {SECRET}
        """What may stand in no log and nowhere at rest as it is: it fills as the town moves in and people sign in."""
        self._kills = kills
        self._browser = browser
        self._broker: Broker = broker
        self._database_url = database_url
        self._data = folder / "gateway"
        self._web_port, self._mqtt_port = free_port(), free_port()
        self.url = f"http://127.0.0.1:{self._web_port}"
        self.bank = Bank(folder, self.url)
        self.shop = Shop(folder, self.url, SHOP_ID, seed)
        commands = ("work", "ingest", "web") if apart else ("serve",)
        self.gateway = Apart(*(self._process(command) for command in commands))
        self._gateway_is_up = threading.Event()
        self._stack = ExitStack()
        self.set_clock(self.now_us)

    def _process(self, command: str) -> Program:
        words = [REPLENISH, command, "--data-dir", str(self._data), "--exit-with-parent"]
        return Program(command, words, self.folder / "gateway.log", answers=False)

    def __enter__(self) -> Self:
        with ExitStack() as stack:
            for outside in (self.bank, self.shop):
                outside.start()
                stack.callback(outside.stop)
            self._write_settings()
            settings = read_settings(self._data)
            list(initialise(settings, operator_email="operator@localhost"))
            self.desk: Gateway = assemble(settings)
            """The same databases, opened by the test: to move in, to look, and to ask whether all is quiescent."""
            stack.callback(self.desk.close)
            self._worker = make_worker(self.desk)
            self._move_in(stack)
            self._open_broker(stack)
            self.start_gateway()
            stack.callback(self.gateway.stop)
            self._switch_things_on(stack)
            self._stack = stack.pop_all()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        (self.folder / "chronicle.txt").write_text("\n".join(self.chronicle))
        if error is not None:
            error.add_note(self.where_to_look())
        self._stack.close()

    # Time

    @property
    def day(self) -> int:
        """The day of the story, from 1."""
        return 1 + (self.now_us - BEGINS_US) // DAY_US

    def live_until(self, day: int) -> None:
        """Let time pass to the beginning of a day of the story."""
        while self.day < day:
            self.step()

    def step(self) -> None:
        """Six hours."""
        self.now_us += STEP_US
        self.set_clock(self.now_us)
        self._part(Part.WORK, self._until_quiescent)
        self._part(Part.TELLING, self._let_things_speak)
        if asked := self._asked():
            self._part(Part.ANSWERS, lambda: self._let_people_answer(asked))

    def _part(self, part: Part, act: Callable[[], None]) -> None:
        """Live through one part of this hour, the gateway perhaps killed meanwhile."""
        if self._kills is None:
            act()
            return
        with self._kills.in_the(part, step=(self.now_us - BEGINS_US) // STEP_US, gateway=self):
            act()
        self._until_quiescent()

    def set_clock(self, now_us: int) -> None:
        """Let the one clock of all processes stand at an instant."""
        write_clock(self.folder / "clock.json", ClockSetting(0, now_us, 0))

    # The gateway's life

    def start_gateway(self) -> None:
        """Start the gateway and wait until it is ready."""
        self.gateway.start()
        eventually(self._is_ready, "the gateway is ready", READY_WITHIN_S)
        self._gateway_is_up.set()

    def kill_gateway(self) -> None:
        """End the gateway by SIGKILL, whatever it is doing, and start it again."""
        self._gateway_is_up.clear()
        self.gateway.kill()
        self.note(f"the gateway was killed while it had to {', '.join(self._in_hand()) or 'do nothing'}")
        self.start_gateway()

    def is_at_work(self) -> bool:
        """Say whether the gateway has taken work in hand."""
        return bool(self._in_hand())

    def _in_hand(self) -> list[str]:
        with self.desk.engine.connect() as connection:
            leased = "SELECT step FROM work WHERE lease_until_wall_us > 0 ORDER BY step"
            return list(connection.execute(text(leased)).scalars())

    def _is_ready(self) -> bool:
        assert self.gateway.is_running(), self.gateway.last_words()
        try:
            return httpx.get(f"{self.url}/readyz", trust_env=False).is_success
        except httpx.TransportError:
            return False

    # People

    def person_of(self, household: Household) -> Person:
        """Who answers for a household."""
        return next(person for person in self.people if person.household is household)

    def freeze(self, household: Household) -> None:
        """Its owner freezes everything."""
        with self.desk.unit_of_work.begin() as tx:
            freeze_everything(tx, household.owner, now_us=self.now_us)
        self.note(f"{household.name} is frozen")
        self._until_quiescent()

    def unfreeze(self, household: Household) -> None:
        """Its owner lifts the freeze."""
        with self.desk.unit_of_work.begin() as tx:
            unfreeze_everything(tx, household.owner, now_us=self.now_us)
        self.note(f"{household.name} is no longer frozen")
        self._until_quiescent()

    # Looking

    def all_of(self, entity: type[Entity], household: Household | None = None, **equals: Value) -> list[Entity]:
        """Every row of one kind, of all households or of one, the oldest first."""
        with self.desk.unit_of_work.read() as tx:
            return tx.find(entity, None if household is None else household.id, **equals)

    def faults(self) -> list[str]:
        """The lines of the gateway's log that speak of a fault of its own."""
        lines = self.gateway.log.read_text(errors="replace").splitlines()
        return [line for line in lines if "Traceback" in line or "[error" in line]

    def leaks(self) -> list[str]:
        """Secrets that stand as they are in what the gateway said (at its most talkative) or in its databases."""
        said = [*self.folder.glob("gateway.log*"), self.folder / "ledger.log"]
        at_rest = [*self._data.glob("*.db"), *self._data.glob("*.db-wal")]
        assert at_rest
        return [
            f"{path.name} holds {secret}"
            for path in (*said, *at_rest)
            if path.exists()
            for secret in self.secrets
            if secret.encode() in path.read_bytes()
        ]

    def check_ledger(self) -> int:
        """What `replenish ledger check` says by its exit status."""
        return run([REPLENISH, "ledger", "check", "--data-dir", str(self._data)], self.folder / "ledger.log")

    def note(self, what: str) -> None:
        """Write a line into the chronicle."""
        here = datetime.fromtimestamp(self.now_us / 1e6, UTC)
        self.chronicle.append(f"day {self.day:2} {here:%H:%M}  {what}")

    def where_to_look(self) -> str:
        """What a person needs who looks for a fault: seed, chronicle, logs."""
        logs = [program.last_words() for program in (self.gateway, self.bank.program, self.shop.program)]
        return "\n".join([f"seed {self.seed}, everything is in {self.folder}", *self.chronicle, *logs])

    # The parts

    def _write_settings(self) -> None:
        self._data.mkdir(mode=0o700)
        external = {"mqtt_broker": "external", "mqtt_secret": SECRET} if self._broker == "mosquitto" else {}
        bank = {"url": self.bank.url, "timeout_s": BANK_ANSWERS_WITHIN_S}
        write_env_file(
            self._data,
            {
                "web_port": str(self._web_port),
                "base_url": self.url,
                "mqtt_port": str(self._mqtt_port),
                "database_url": self._database_url,
                "undo_seconds": "0",
                "log_level": "debug",
                "calls_at_once": "1",  # side by side, who comes first at the shop would be chance
                "clock_file": str(self.folder / "clock.json"),
                "payment_settings": msgspec.json.encode({"sandbox": bank}).decode(),
                "payment_secrets": msgspec.json.encode(
                    {"sandbox": {"token": SECRET, "notice_secret": SECRET}}
                ).decode(),
                **external,
            },
        )

    def _move_in(self, stack: ExitStack) -> None:
        open_shop(self.desk, self.shop.url, seal_merchant(self.desk.vault, SHOP_ID, SECRET))
        self.rosa, self.lake, self.mill = (move_in(self.desk, home) for home in (ROSA, LAKE, MILL))
        self.households = (self.rosa, self.lake, self.mill)
        self.people: list[Person] = []
        for household in self.households:
            self.shop.introduce(household.id, household.account if household is not self.mill else "mill-lane")
            if household.home.account == "sandbox":
                self.bank.open_account(household.account, DEPOSIT_MINOR)
                self.secrets.add(household.account)
            link(self.desk, household)
            with self.desk.unit_of_work.begin() as tx:
                wall_us = self.desk.clock.wall_us()
                token = issue_api_token(tx, household.owner, name="phone", wall_us=wall_us)
            self.secrets |= {token, *(device["secret"] for device in household.devices)}
            person = Person(household, self.url, token, self._sign_in_link(household))
            stack.callback(person.close)
            self.people.append(person)

    def _sign_in_link(self, household: Household) -> Callable[[], str]:
        def issue() -> str:
            with self.desk.unit_of_work.begin() as tx:
                token = issue_link(tx, household.owner, wall_us=self.desk.clock.wall_us())
            self.secrets.add(token)
            return f"{self.url}/sign-in/{token}"

        return issue

    def _open_broker(self, stack: ExitStack) -> None:
        if self._broker == "embedded":
            return
        command = [REPLENISH, "broker", "mosquitto", "--data-dir", str(self._data), "--port", str(self._mqtt_port)]
        broker = Program("mosquitto", command, self.folder / "mosquitto.log", answers=False)
        broker.start()
        stack.callback(broker.terminate)

    def _switch_things_on(self, stack: ExitStack) -> None:
        arguments = ["--state", str(self.folder / "things"), "--drain-seconds", str(SPEAK_WITHIN_S - 10)]
        for number, household in enumerate(self.households):
            path = self.folder / f"{household.home.owner}.json"
            path.write_bytes(
                household.described(
                    broker=f"127.0.0.1:{self._mqtt_port}",
                    seed=self.seed * 100 + number,
                    shop_url=self.shop.url,
                    shop_token=SECRET,
                    start_us=BEGINS_US,
                )
            )
            arguments += ["--household", str(path)]
        self.things = simulator("appliances", arguments, self.folder / "things.log")
        self.things.start()
        stack.callback(self.things.stop)

    def _let_things_speak(self) -> None:
        answer = self.things.ask({"step": self.now_us}, SPEAK_WITHIN_S)
        assert answer.get("stepped") == self.now_us, f"{answer}\n{self.things.last_words()}"
        self._until_quiescent()

    def _asked(self) -> list[tuple[Person, Cart]]:
        # Nobody looks at a page that shows nothing new.
        waits = {one.household_id for one in self.all_of(cart.Cart, state=cart.CartState.AWAITING_APPROVAL)}
        told = [person for person in self.people if person.household.id in waits]
        return [(person, one) for person in told for one in person.asked(self.now_us)]

    def _let_people_answer(self, asked: list[tuple[Person, Cart]]) -> None:
        for person, one in asked:
            self.note(person.answer(one, self._browser))
        self._until_quiescent()

    def _until_quiescent(self) -> None:
        """Wait until all that is due at this instant is done, and all that was to be told is told and done."""

        def quiescent() -> bool:
            if not self._gateway_is_up.is_set() or not self._worker.is_quiescent():
                return False
            told = [outside.send_notices() for outside in (self.bank, self.shop)]
            return all(one == {"sent": 0, "failed": 0} for one in told) and self._worker.is_quiescent()

        eventually(quiescent, "everything due now is done", QUIESCENT_WITHIN_S)
