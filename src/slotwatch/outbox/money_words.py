"""Money in words: amounts as the language writes them, and the sentence that says what was charged or comes back."""

from datetime import timedelta
from decimal import Decimal
from functools import lru_cache

from babel.numbers import format_currency, format_percent, get_currency_precision

from slotwatch.domain.money import Money, PaymentStatus
from slotwatch.domain.notices import NoticeKind
from slotwatch.domain.terms import Terms
from slotwatch.locale.catalogues import Language
from slotwatch.outbox.claim import Claimed
from slotwatch.outbox.time_words import digits, duration

__all__ = ["amount_words", "money_sentence", "percent_words", "refund_lines"]


@lru_cache(2048)
def amount_words(money: Money, language: Language) -> str:
    """`€12.50`. Minor units are those of the currency: 1250 JPY are 1,250 yen."""
    precision = get_currency_precision(money.currency)
    value = Decimal(money.amount).scaleb(-precision)
    written = format_currency(value, money.currency, locale=language.locale)
    return digits(str(written), language)


@lru_cache(512)
def percent_words(percent: int, language: Language) -> str:
    """`75%`."""
    return digits(str(format_percent(Decimal(percent) / 100, locale=language.locale)), language)


def refund_lines(terms: Terms, language: Language) -> list[str]:
    """What a cancellation gives back, one line for each step of the terms."""
    ahead = language.gettext("Up to %(ahead)s before the slot begins: %(percent)s back")
    to_the_end = language.gettext("Until the slot begins: %(percent)s back")
    return [
        (ahead if tier.until_minutes_before else to_the_end)
        % {
            "percent": percent_words(tier.percent, language),
            "ahead": duration(timedelta(minutes=tier.until_minutes_before), language),
        }
        for tier in terms.cancel_refund
        if tier.percent
    ]


def money_sentence(delivery: Claimed, language: Language) -> str:
    """What the driver pays or gets back; nothing where no money is known to us."""
    amount = amount_words(delivery.amount, language)
    match delivery.payment_status:
        case PaymentStatus.FORFEIT_HELD | PaymentStatus.FORFEITED | PaymentStatus.NOT_REFUNDED:
            return language.gettext("As the terms say, %(amount)s is not refunded.") % {"amount": amount}
        case PaymentStatus.REFUNDED:
            return language.gettext("%(amount)s goes back to you.") % {"amount": amount}
        case PaymentStatus.PARTLY_REFUNDED:
            refunded = amount_words(delivery.refunded, language)
            sentence = language.gettext("%(refunded)s of %(amount)s goes back to you.")
            return sentence % {"refunded": refunded, "amount": amount}
        case PaymentStatus.NOT_PAID | PaymentStatus.AWAITED:
            return language.gettext("Nothing was charged.")
        case PaymentStatus.PAID:
            return language.gettext("You paid %(amount)s.") % {"amount": amount}
        case PaymentStatus.NOT_REQUIRED if delivery.kind is NoticeKind.SLOT_EXPIRED:
            return language.gettext("A no-show is not refunded.")
        case PaymentStatus.NOT_REQUIRED:
            return ""
