"""The bank's interface, a method for each request: signed, under a key, answered or raised."""

import json
import secrets
from collections.abc import Mapping
from urllib.parse import quote, urlencode

from payments import jose
from payments.adapter import Declined
from payments.adapters.openbanking_access import Access, BankSettings, raise_if_busy
from payments.adapters.openbanking_answers import (
    ConsentData,
    Said,
    TransactionData,
    amount_of,
    read_consent,
    read_found_payment,
    read_found_refund,
    read_funds,
    read_payment,
    read_refund,
    read_transactions,
)
from payments.adapters.openbanking_state import Consent, short
from payments.context import AdapterContext, HttpResponse
from payments.errors import ConfigError, InvalidRequest, OutcomeUnknown
from payments.money import Money

LONGEST_KEY = 40
_CLAIM = "http://openbanking.org.uk"
Document = Mapping[str, object]


class Bank:
    """One bank of the Open Banking (UK) standard; all of its methods may raise NotSent, RateLimited, ConfigError."""

    def __init__(self, context: AdapterContext, settings: BankSettings, access: Access) -> None:
        self._context = context
        self._settings = settings
        self._access = access

    # Consents

    def ask_consent(self, key: str, control: Document) -> ConsentData:
        """Ask for a consent; the same key brings the same one. Raises InvalidRequest, OutcomeUnknown."""
        data = {"ReadRefundAccount": "No", "ControlParameters": control, "Initiation": self._initiation()}
        url = f"{self._settings.api}/domestic-vrp-consents"
        return read_consent(self._as_ourselves("POST", url, {"Data": data, "Risk": self._risk()}, key))

    def look_at_consent(self, consent_id: str) -> ConsentData:
        """What became of it; raises InvalidRequest where it is gone, OutcomeUnknown."""
        return read_consent(self._as_ourselves("GET", self._consent_url(consent_id)))

    def give_consent_back(self, consent_id: str) -> None:
        """End it; one that is gone already is no error. Raises OutcomeUnknown."""
        answer = self._as_ourselves("DELETE", self._consent_url(consent_id))
        if answer.status not in {204, 404}:
            try:
                read_consent(answer)
            except InvalidRequest:
                return
            raise OutcomeUnknown(f"the bank answered {answer.status} when a consent was given back")

    def has_funds(self, consent: Consent, amount: Money) -> bool | Declined:
        """Whether the customer's account has so much now; raises AccessLost, OutcomeUnknown."""
        data = {"ConsentId": consent.id, "InstructedAmount": amount_of(amount)}
        url = f"{self._consent_url(consent.id)}/funds-confirmation"
        return read_funds(self._as_customer(consent, url, {"Data": data}, None), consent.id, amount)

    # Money

    def pay(self, consent: Consent, key: str, instruction: str, amount: Money) -> Said | Declined:
        """Take a payment under a consent; raises AccessLost, InvalidRequest, OutcomeUnknown."""
        order = {
            "InstructionIdentification": instruction,
            "EndToEndIdentification": instruction,
            "InstructedAmount": amount_of(amount),
            **self._initiation(),
        }
        data = {
            "ConsentId": consent.id,
            "PSUAuthenticationMethod": "UK.OBIE.SCANotRequired",
            "PSUInteractionType": "OffSession",
            "VRPType": "UK.OBIE.VRPType.Other",
            "Initiation": self._initiation(),
            "Instruction": order,
        }
        url = f"{self._settings.api}/domestic-vrps"
        return read_payment(self._as_customer(consent, url, {"Data": data, "Risk": self._risk()}, key))

    def find_payment(self, instruction: str) -> Said | None:
        """The payment of our name; raises OutcomeUnknown."""
        url = f"{self._settings.api}/domestic-vrps?{urlencode({'InstructionIdentification': instruction})}"
        return read_found_payment(self._as_ourselves("GET", url), instruction)

    def refund(self, key: str, instruction: str, payment_id: str, amount: Money) -> Said:
        """Send money back to where a payment came from; raises InvalidRequest, OutcomeUnknown."""
        data = {"DomesticVRPId": payment_id, "InstructionIdentification": instruction}
        body = {"Data": data | {"InstructedAmount": amount_of(amount)}}
        return read_refund(self._as_ourselves("POST", f"{self._settings.url}/operator/refunds", body, key))

    def find_refund(self, instruction: str) -> Said | None:
        """The refund of our name; raises OutcomeUnknown."""
        url = f"{self._settings.url}/operator/refunds?{urlencode({'InstructionIdentification': instruction})}"
        return read_found_refund(self._as_ourselves("GET", url), instruction)

    def transactions(self, since_us: int) -> list[TransactionData]:
        """What came into the operator's account and left it, a page; raises OutcomeUnknown."""
        url = f"{self._settings.url}/operator/transactions?since_us={since_us}"
        return read_transactions(self._as_ourselves("GET", url))

    # Requests

    def _as_ourselves(
        self, method: str, url: str, body: Document | None = None, key: str | None = None
    ) -> HttpResponse:
        token = self._access.own()
        answer = self._send(method, url, token, body, key)
        if answer.status == 401:  # it has ended, and the bank did nothing
            answer = self._send(method, url, self._access.own(refused=token), body, key)
        return self._known(answer)

    def _as_customer(self, consent: Consent, url: str, body: Document, key: str | None) -> HttpResponse:
        answer = self._send("POST", url, consent.access, body, key)
        if answer.status == 401:
            answer = self._send("POST", url, self._access.renew(consent).access, body, key)
        return self._known(answer)

    def _known(self, answer: HttpResponse) -> HttpResponse:
        if answer.status == 401:
            raise ConfigError(f"the bank at {self._settings.url} refuses a token that it has just given")
        raise_if_busy(answer)
        return answer

    def _send(self, method: str, url: str, token: str, body: Document | None, key: str | None) -> HttpResponse:
        headers = {
            "Authorization": f"Bearer {token}",
            "Accept": "application/json",
            "x-fapi-interaction-id": secrets.token_hex(16),
        }
        content = b""
        if body is not None:
            content = json.dumps(body, separators=(",", ":")).encode()
            headers["Content-Type"] = "application/json"
            headers["x-jws-signature"] = jose.sign_detached(content, self._access.key(), self._critical())
        if key is not None:
            headers["x-idempotency-key"] = short(key, LONGEST_KEY)
        return self._context.http.request(
            method, url, headers=headers, content=content, timeout_s=self._settings.timeout_s
        )

    def _critical(self) -> Document:
        signed_s = self._context.now_us() // 1_000_000
        return {
            f"{_CLAIM}/iat": signed_s,
            f"{_CLAIM}/iss": self._settings.client_id,
            f"{_CLAIM}/tan": "openbanking.org.uk",
        }

    def _initiation(self) -> Document:
        account = {
            "SchemeName": "UK.OBIE.SortCodeAccountNumber",
            "Identification": self._settings.creditor_account,
            "Name": self._settings.creditor_name,
        }
        return {"CreditorAccount": account}

    def _risk(self) -> Document:
        return {"PaymentContextCode": "EcommerceMerchantInitiatedPayment"}

    def _consent_url(self, consent_id: str) -> str:
        return f"{self._settings.api}/domestic-vrp-consents/{quote(consent_id, safe='')}"
