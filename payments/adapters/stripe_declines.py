"""What a refusal of Stripe's leaves to be done, by its code.

Sources: https://docs.stripe.com/declines/codes (decline codes of cards),
https://docs.stripe.com/error-codes (codes), and
https://docs.stripe.com/payments/sepa-debit#failed-payments (failure codes of SEPA direct debits).

A code that is not listed is soft: a new try later is bounded, and may succeed; a card suspended without need is a
household without milk.
"""

from payments.adapter import DeclineKind

AUTHENTICATION_REQUIRED = "authentication_required"

# The account itself is of no use any more: another card, or another account.
HARD = frozenset(
    {
        "account_closed",
        "bank_account_closed",
        "bank_account_unusable",
        "bank_ownership_changed",
        "card_not_supported",
        "currency_not_supported",
        "debit_not_supported",
        "expired_card",
        "fraudulent",
        "highest_risk_level",
        "incorrect_number",
        "invalid_account",
        "invalid_account_number",
        "invalid_cvc",
        "invalid_expiry_month",
        "invalid_expiry_year",
        "invalid_number",
        "lost_card",
        "merchant_blacklist",
        "new_account_information_available",
        "no_account",
        "payment_method_not_available",
        "pickup_card",
        "recipient_deceased",
        "restricted_card",
        "security_violation",
        "stolen_card",
        "testmode_decline",
    }
)

# The account is good, the permission is not.
MANDATE = frozenset(
    {
        AUTHENTICATION_REQUIRED,
        "debit_not_authorized",
        "mandate_invalid",
        "payment_intent_mandate_invalid",
        "payment_method_not_allowed",
        "revocation_of_all_authorizations",
        "revocation_of_authorization",
        "setup_intent_mandate_invalid",
        "stop_payment_order",
    }
)

# Listed so that a reader need not ask; all that is in none of the three is soft as well.
SOFT = frozenset(
    {
        "approve_with_id",
        "bank_account_restricted",
        "call_issuer",
        "card_velocity_exceeded",
        "do_not_honor",
        "do_not_try_again",
        "duplicate_transaction",
        "generic_could_not_process",
        "generic_decline",
        "insufficient_funds",
        "invalid_amount",
        "issuer_not_available",
        "no_action_taken",
        "not_permitted",
        "payment_intent_authentication_failure",
        "processing_error",
        "reenter_transaction",
        "refer_to_customer",
        "service_not_allowed",
        "transaction_not_allowed",
        "try_again_later",
        "withdrawal_count_limit_exceeded",
    }
)


def kind_of(*codes: str | None) -> DeclineKind:
    """Return what is left to be done after a refusal; of several codes the most telling one decides.

    >>> kind_of("card_declined", "stolen_card"), kind_of("card_declined", None)
    (<DeclineKind.HARD: 'hard'>, <DeclineKind.SOFT: 'soft'>)
    """
    if HARD.intersection(codes):
        return DeclineKind.HARD
    return DeclineKind.MANDATE if MANDATE.intersection(codes) else DeclineKind.SOFT
