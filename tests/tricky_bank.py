"""A bank that does every lawful thing that makes a careless gateway debit twice, and counts its effects."""

from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field, replace

from payments.adapter import Capabilities, NotFound, OperationKind, Outcome, Refund, Sync, SyncOutcome
from payments.errors import InvalidRequest, OutcomeUnknown
from tests.fake_bank import CAPABILITIES, FakeBank, Request

WINDOW_S = 3_600
SECOND_US = 1_000_000
WAYS: dict[str, Capabilities] = {
    "does everything": CAPABILITIES,
    "forgets keys": replace(CAPABILITIES, idempotency_window_s=WINDOW_S),
    "repeats a 500": replace(CAPABILITIES, replays_5xx=True),
    "captures once": replace(CAPABILITIES, multiple_captures=False),
    "takes back": replace(CAPABILITIES, finality="reversible"),
}


@dataclass
class TrickyBank(FakeBank):
    """What it says it can do is how it behaves: it forgets keys after their window, repeats a 500 for ever.

    While it `lags`, it finds nothing that is younger than the lag, though it took effect. `effects` counts how often
    each reference of ours took effect; `real_us` is its own clock, which nobody sets back.
    """

    real_us: Callable[[], int] = lambda: 0
    lags: bool = False
    effects: Counter[str] = field(default_factory=Counter)
    _first_us: dict[str, int] = field(default_factory=dict)
    _broken: set[str] = field(default_factory=set)
    _unlisted: set[str] = field(default_factory=set)

    def catch_up(self) -> None:
        """Let it find all that took effect."""
        self.lags = False
        self._unlisted.clear()

    def sync(self, request: Sync) -> SyncOutcome:
        outcome = super().sync(request)
        return NotFound() if request.reference in self._unlisted else outcome

    def refund(self, request: Refund) -> Outcome:
        if request.key not in self.answers and request.capture_ref.removeprefix("capture:") not in self.captures:
            raise InvalidRequest("taken_back", "that was taken back already")
        return super().refund(request)

    def _meet(self, kind: OperationKind, request: Request, effect: Callable[[], Outcome]) -> Outcome:
        key, now_us = request.key, self.real_us()
        window_s = self.can.idempotency_window_s
        if window_s is not None and now_us - self._first_us.setdefault(key, now_us) > window_s * SECOND_US:
            # To a bank that forgot the key this is another request: it takes effect again.
            self.answers.pop(key, None)
            self._first_us[key] = now_us
        if key in self._broken:
            raise OutcomeUnknown("the same 500")

        def counted() -> Outcome:
            outcome = effect()
            self.effects[request.reference] += 1
            if self.lags:
                self._unlisted.add(request.reference)
            return outcome

        try:
            return super()._meet(kind, request, counted)
        except OutcomeUnknown:
            if self.can.replays_5xx:
                self._broken.add(key)
            raise
