"""One demonstration: history first, replayed fast through the same code, then time runs.

Gateway, broker and web are this process; shop, bank and devices are processes of their own. All read one clock file,
and all keep their state in the data directory, so that a second run goes on at the last simulated instant.
"""

import secrets
import socket
import threading
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from pathlib import Path
from time import monotonic

import httpx
import msgspec
from rich.progress import BarColumn, Progress, TextColumn, TimeRemainingColumn

from devices.clock import ClockFile, ClockSetting, RealClock, write_clock
from gateway.assembly import Gateway, assemble, configure_logging, make_worker
from gateway.cli.demo_household import Resident, account_name, answer_carts, furnish, let_mandate_decide
from gateway.cli.installation import initialise
from gateway.cli.locks import alone
from gateway.cli.operate import listen, run_web, running_intake, running_worker
from gateway.cli.processes import Simulator, hand_over, write_private
from gateway.cli.terminal import CommandFailed, err
from gateway.config import Settings, read_settings, write_env_file
from gateway.domain.access import ApiToken
from gateway.domain.cart import Cart, CartState
from gateway.domain.household import Member
from gateway.domain.records import MerchantAccount
from gateway.domain.replenishment import DAY_US, HOUR_US, SECOND_US
from gateway.intake import EmbeddedIntake
from gateway.store.merchant_secrets import seal_merchant
from gateway.web.sessions import issue_api_token, issue_link
from gateway.worker import Worker

HISTORY_ENDS_US = 1_795_503_600_000_000  # Tuesday 24 November 2026, 07:00 UTC: the story does not depend on today
STEP_US = 6 * HOUR_US
ANSWER_AFTER_US = 12 * HOUR_US
MOST_DAYS_TO_FIRST_CART = 20
QUIESCENT_WITHIN_S = 60
STEP_WITHIN_S = 120
DEFAULT_SEED = 7
DEFAULT_DAYS = 60
CHECKPOINT_S = 1.0
TOKEN_NAME = "demonstration"  # noqa: S105 — a name, not a token
SHOP_ID = "corner-market"


@dataclass(frozen=True, slots=True)
class Choices:
    """What the command line asked for."""

    port: int
    mqtt_port: int
    data_dir: Path
    speed: float
    seed: int | None
    days: int | None
    undo_seconds: float


@dataclass(frozen=True, slots=True)
class Ready:
    """How to reach what is up."""

    web: str
    sign_in: str
    token: str
    mqtt: str


class Story(msgspec.Struct):
    """What a demonstration remembers of itself (demo.json)."""

    seed: int
    days: int
    bank_token: str
    shop_token: str
    notice_secret: str
    resident: Resident | None = None
    history_done: bool = False


class Demonstration:
    """Runs one demonstration in its data directory."""

    def __init__(self, choices: Choices) -> None:
        self._choices = choices
        self._dir = choices.data_dir.resolve()
        self._clock_path = self._dir / "clock.json"
        self._story_path = self._dir / "demo.json"
        self._bank: Simulator | None = None
        self._shop: Simulator | None = None

    @contextmanager
    def alone(self) -> Iterator[None]:
        """Hold the data directory against another demonstration or `replenish serve`; raises CommandFailed."""
        self._dir.mkdir(mode=0o700, parents=True, exist_ok=True)
        with alone(self._dir, "serve", "a demonstration"):
            yield

    def run(self, announce: Callable[[Ready], None]) -> None:
        """Run until a signal stops it; inside `alone()`."""
        with ExitStack() as stack:
            listening = listen("127.0.0.1", self._choices.port)
            stack.callback(listening.close)
            story = self._story()
            self._stop_clock_where_it_was(story)
            web_port = listening.getsockname()[1]
            settings = self._settings(story, web_port=web_port, undo_seconds=0)
            configure_logging(settings.model_copy(update={"log_level": "warning"}))
            for line in initialise(settings, operator_email="operator@localhost"):
                err.print(line)
            err.print(self._coming(story), markup=False)
            if not story.history_done:
                self._history(story, web_port)
            self._live(story, listening, announce)

    # The parts

    def _coming(self, story: Story) -> str:
        """Return what a person has to wait for now."""
        if not story.history_done:
            return (
                f"The first start: a pretend household lives through {story.days} days, and on until an order waits "
                "for you. Sixty days take a minute or two on an ordinary machine; later starts take seconds."
            )
        at = datetime.fromtimestamp(ClockFile(self._clock_path).now_us() / SECOND_US, UTC)
        return f"Going on where it stopped, on {at:%A %d %B %Y, %H:%M} UTC."

    def _history(self, story: Story, web_port: int) -> None:
        """Furnish the household at the beginning of the story and replay its history, step by step."""
        with ExitStack() as stack:
            gateway, intake = self._start(stack, story, web_port, undo_seconds=0, with_notices=False)
            if story.resident is None:
                story.resident = furnish(gateway, bank_port=_port(self._bank), shop_id=SHOP_ID, seed=story.seed)
                self._save(story)
            self._introduce(story.resident)
            appliances = self._appliances(stack, intake, story)
            worker = make_worker(gateway, in_turn=True)  # the same seed, the same story
            with _progress() as progress:
                task = progress.add_task("Replaying history", total=_steps_to(HISTORY_ENDS_US, gateway))
                while gateway.clock.now_us() < HISTORY_ENDS_US:
                    self._step(appliances, worker, min(HISTORY_ENDS_US, gateway.clock.now_us() + STEP_US))
                    answer_carts(gateway, story.resident, asked_before_us=gateway.clock.now_us() - ANSWER_AFTER_US)
                    progress.advance(task)
                progress.add_task("Waiting for the first order", total=None)
                self._until_a_cart_waits(gateway, appliances, worker, story.resident)
        story.history_done = True
        self._save(story)

    def _until_a_cart_waits(self, gateway: Gateway, appliances: Simulator, worker: Worker, resident: Resident) -> None:
        """Take the mandate's own yes away and go on to the first cart a person has to decide on."""
        let_mandate_decide(gateway, resident, standing=False)
        for _ in range(MOST_DAYS_TO_FIRST_CART * DAY_US // STEP_US):
            with gateway.unit_of_work.read() as tx:
                if tx.find(Cart, resident.household_id, state=CartState.AWAITING_APPROVAL):
                    return
            self._step(appliances, worker, gateway.clock.now_us() + STEP_US)
        raise CommandFailed(f"nothing ran low within {MOST_DAYS_TO_FIRST_CART} days; try another --seed or more --days")

    def _live(self, story: Story, listening: socket.socket, announce: Callable[[Ready], None]) -> None:
        """Let time run and serve until a signal comes."""
        with ExitStack() as stack:
            web_port = listening.getsockname()[1]
            base_url = f"http://127.0.0.1:{web_port}"
            undo_seconds = self._choices.undo_seconds
            gateway, intake = self._start(stack, story, web_port, undo_seconds=undo_seconds, with_notices=True)
            assert story.resident is not None
            appliances = self._appliances(stack, intake, story)
            stack.enter_context(self._running_clock())
            stack.enter_context(running_worker(gateway))
            appliances.tell({"run": True})
            announce(_ready(gateway, story.resident, base_url, f"127.0.0.1:{intake.port}"))
            run_web(gateway, listening=listening)

    def _start(
        self, stack: ExitStack, story: Story, web_port: int, *, undo_seconds: float, with_notices: bool
    ) -> tuple[Gateway, EmbeddedIntake]:
        """Start bank, shop and intake, and open the gateway over them; in history nobody is there to take notices."""
        notify = f"http://127.0.0.1:{web_port}" if with_notices else None
        common = ["--clock", str(self._clock_path), "--seed", str(story.seed)]
        to_bank = ["--notify", f"{notify}/notices/payment/sandbox"] if notify else []
        to_shop = ["--notify", f"{notify}/notices/merchant/{SHOP_ID}"] if notify else []
        bank_dir, shop_dir = self._dir / "bank", self._dir / "shop"
        hand_over(bank_dir, "token", story.bank_token)
        hand_over(bank_dir, "notice-secret", story.notice_secret)
        hand_over(shop_dir, "token", story.shop_token)
        bank_arguments = ["--port", "0", "--state", str(bank_dir), *common, *to_bank]
        shop_arguments = ["--port", "0", "--state", str(shop_dir), "--faults", "some", *common, *to_shop]
        self._bank = stack.enter_context(Simulator("bank", bank_arguments))
        self._shop = stack.enter_context(Simulator("shop", shop_arguments))
        gateway = assemble(self._settings(story, web_port=web_port, undo_seconds=undo_seconds))
        stack.callback(gateway.close)
        gateway.queue.end_leases()  # of a demonstration that was killed
        self._open_shop(gateway, story)
        intake = stack.enter_context(running_intake(gateway))
        assert isinstance(intake, EmbeddedIntake)
        # The other commands look for the broker where it listens, which a free port is known to be only now.
        self._settings(story, web_port=web_port, mqtt_port=intake.port, undo_seconds=undo_seconds)
        return gateway, intake

    def _open_shop(self, gateway: Gateway, story: Story) -> None:
        """Write where the shop listens this time."""
        account = MerchantAccount(
            id=SHOP_ID,
            name="Corner Market",
            adapter="http_shop",
            settings={"base_url": f"http://127.0.0.1:{_port(self._shop)}"},
            secret_sealed=seal_merchant(gateway.vault, SHOP_ID, story.shop_token),
            currency="EUR",
            lead_time_days=2.0,
        )
        with gateway.unit_of_work.begin() as tx:
            known = tx.find(MerchantAccount, None, id=SHOP_ID)
            if known:
                tx.save(replace(account, lead_time_days=known[0].lead_time_days))
            else:
                tx.add(account)

    def _introduce(self, resident: Resident) -> None:
        """Tell the shop the household's name, on which its story depends, not on an id made by chance."""
        answer = httpx.post(
            f"http://127.0.0.1:{_port(self._shop)}/households",
            json={"household_ref": resident.household_id, "name": "rosa-street-12"},
            headers={"Authorization": f"Bearer {self._story().shop_token}"},
            timeout=10,
        )
        answer.raise_for_status()

    def _appliances(self, stack: ExitStack, intake: EmbeddedIntake, story: Story) -> Simulator:
        assert story.resident is not None
        path = self._dir / "household.json"
        described = story.resident.described(
            broker=f"127.0.0.1:{intake.port}",
            seed=story.seed,
            shop_url=f"http://127.0.0.1:{_port(self._shop)}",
            shop_token=story.shop_token,
            clock=self._clock_path,
            start_us=HISTORY_ENDS_US - story.days * DAY_US,
        )
        write_private(path, msgspec.json.encode(described))
        arguments = ["--household", str(path), "--state", str(self._dir / "devices")]
        return stack.enter_context(Simulator("appliances", arguments, has_port=False))

    def _step(self, appliances: Simulator, worker: Worker, to_us: int) -> None:
        """Move the clock, let the devices speak, and work until all is quiescent."""
        write_clock(self._clock_path, ClockSetting(RealClock().wall_us(), to_us, 0))
        answer = appliances.ask({"step": to_us}, within_s=STEP_WITHIN_S)
        if "error" in answer:
            raise CommandFailed(f"the devices could not be heard: {answer['error']}")
        deadline = monotonic() + QUIESCENT_WITHIN_S
        while not worker.is_quiescent():
            if worker.run_once().done == 0:
                threading.Event().wait(0.02)
            if monotonic() > deadline:
                raise CommandFailed("the work of one step did not end; see the log above")

    # State and time

    def _story(self) -> Story:
        """Return the story told here before, or begin one."""
        chosen = self._choices
        if self._story_path.exists():
            story = msgspec.json.decode(self._story_path.read_bytes(), type=Story)
            for name in ("seed", "days"):
                wanted, told = getattr(chosen, name), getattr(story, name)
                if wanted is not None and wanted != told:
                    raise CommandFailed(
                        f"{self._dir} holds a story with --{name} {told}; name another --data-dir for a new one"
                    )
            return story
        story = Story(
            seed=DEFAULT_SEED if chosen.seed is None else chosen.seed,
            days=DEFAULT_DAYS if chosen.days is None else chosen.days,
            bank_token=secrets.token_hex(24),
            shop_token=secrets.token_hex(24),
            notice_secret=secrets.token_hex(24),
        )
        self._save(story)
        return story

    def _save(self, story: Story) -> None:
        write_private(self._story_path, msgspec.json.encode(story))

    def _settings(self, story: Story, *, web_port: int, undo_seconds: float, mqtt_port: int | None = None) -> Settings:
        """Write this run's settings where the other commands find them, and read them back."""
        bank = {"account_hint": f"The demonstration's bank knows one account: {account_name(story.seed)}"}
        if self._bank is not None:
            bank["url"] = f"http://127.0.0.1:{_port(self._bank)}"
        own = {"token": story.bank_token, "notice_secret": story.notice_secret}
        write_env_file(
            self._dir,
            {
                "web_port": str(web_port),
                "base_url": f"http://127.0.0.1:{web_port}",
                "mqtt_port": str(self._choices.mqtt_port if mqtt_port is None else mqtt_port),
                "undo_seconds": str(undo_seconds),
                "clock_file": str(self._clock_path),
                "payment_settings": msgspec.json.encode({"sandbox": bank}).decode(),
                "payment_secrets": msgspec.json.encode({"sandbox": own}).decode(),
            },
        )
        return read_settings(self._dir)

    def _stop_clock_where_it_was(self, story: Story) -> None:
        """Let time stand at the last simulated instant anybody may have seen, or at the story's beginning."""
        at_us = HISTORY_ENDS_US - story.days * DAY_US
        if self._clock_path.exists():
            last = ClockFile(self._clock_path).setting()
            # After a kill the last checkpoint may be this much older than what was seen.
            at_us = last.sim_anchor_us + round(last.speed * CHECKPOINT_S * SECOND_US)
        write_clock(self._clock_path, ClockSetting(RealClock().wall_us(), at_us, 0))

    @contextmanager
    def _running_clock(self) -> Iterator[None]:
        """Let time run at the chosen speed; write where it is every second, and stop it at the end."""
        clock, real, speed = ClockFile(self._clock_path), RealClock(), self._choices.speed
        write_clock(self._clock_path, ClockSetting(real.wall_us(), clock.now_us(), speed))
        stopping = threading.Event()

        def checkpoint() -> None:
            while not stopping.wait(CHECKPOINT_S):
                wall_us = real.wall_us()
                write_clock(self._clock_path, ClockSetting(wall_us, clock.setting().at(wall_us), speed))

        thread = threading.Thread(target=checkpoint, name="clock", daemon=True)
        thread.start()
        try:
            yield
        finally:
            stopping.set()
            thread.join()
            write_clock(self._clock_path, ClockSetting(real.wall_us(), clock.now_us(), 0))


def _ready(gateway: Gateway, resident: Resident, base_url: str, mqtt: str) -> Ready:
    """Issue this run's sign-in link and token; the token of the run before ends."""
    wall_us = gateway.clock.wall_us()
    with gateway.unit_of_work.begin() as tx:
        owner = tx.get(Member, resident.household_id, resident.owner_id)
        for old in tx.find(ApiToken, owner.household_id, name=TOKEN_NAME, revoked_wall_us=None):
            tx.save(replace(old, revoked_wall_us=wall_us))
        link = issue_link(tx, owner, wall_us=wall_us)
        token = issue_api_token(tx, owner, name=TOKEN_NAME, wall_us=wall_us)
    return Ready(web=base_url, sign_in=f"{base_url}/sign-in/{link}", token=token, mqtt=mqtt)


def _port(simulator: Simulator | None) -> int:
    assert simulator is not None, "it is started first"
    return simulator.port


def _steps_to(end_us: int, gateway: Gateway) -> int:
    """Return how many steps of history are left: all of them, or fewer after a stop in between."""
    return max(1, -(-(end_us - gateway.clock.now_us()) // STEP_US))


def _progress() -> Progress:
    return Progress(
        TextColumn("{task.description}"),
        BarColumn(),
        TextColumn("{task.percentage:>3.0f} %"),
        TimeRemainingColumn(),
        console=err,
    )
