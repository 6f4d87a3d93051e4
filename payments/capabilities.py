"""What a provider is called and can do, and how an account there is linked."""

from dataclasses import dataclass
from typing import Literal


@dataclass(frozen=True, slots=True)
class AccountPrompt:
    """What a person is asked for to link an account: the field's `label`, and what to write there."""

    label: str
    hint: str


@dataclass(frozen=True, slots=True)
class HostedPage:
    """The customer chooses the account on the provider's own page: nothing is typed here, several may be linked.

    `method_token` is then the payment method's own id, and the mandate is asked for there (RequiresAction).
    """

    hint: str


@dataclass(frozen=True, slots=True)
class Capabilities:
    """What a provider is called and can do."""

    title: str  # what people call it
    account: AccountPrompt | HostedPage | None  # None: nothing is asked, the gateway names the household's one account
    currencies: frozenset[str] | None  # None: every currency
    manual_capture: bool  # authorize truly holds; else it only checks and remembers, and capture may still be declined
    partial_capture: bool  # a capture below the held amount
    multiple_captures: bool  # several captures of one hold; else the first capture ends it, whatever it leaves
    void: bool
    lookup_by_reference: bool  # sync works; else an unknown outcome waits for a notice or a person
    idempotency_window_s: int | None  # how long a key is remembered; None: for ever
    replays_5xx: bool  # a key whose first answer was a 5xx answers the same 5xx for ever
    finality: Literal["final", "reversible"]  # reversible: captured money may be taken back without us
    refund_right_days: int  # the customer's own right to undo a debit
    prenotify_days: int  # how long before a debit the customer must be told; the gateway tells, and captures after it
    merchant_debits: bool = False  # the merchant takes the money itself: it never is ours, and no journal has it
    creditor: str = ""  # who debits, as the customer's statement names them: told with what is announced
    idle_lapse_days: int | None = None  # a mandate nobody debited by for so long is void; None: never
