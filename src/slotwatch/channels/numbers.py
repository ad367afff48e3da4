"""Says which phone numbers may be written to and called: real ones, in countries of ours, that cost no premium.

Strangers who let a system send to expensive numbers and share the income ("SMS pumping") are stopped here; limits for
each person and day are the outbox's business.
"""

import re
from typing import ClassVar, Final

import msgspec
import phonenumbers
from phonenumbers import PhoneNumberType

__all__ = ["NumberRules", "NumberSettings"]

_COUNTRY = re.compile(r"[A-Z]{2}\Z")
_COSTLY: Final = {
    PhoneNumberType.PREMIUM_RATE: "a premium-rate number",
    PhoneNumberType.SHARED_COST: "a shared-cost number",
    PhoneNumberType.PERSONAL_NUMBER: "a personal number, which costs like a premium-rate one",
    PhoneNumberType.PAGER: "a pager",
    PhoneNumberType.UAN: "a company-wide number",
    PhoneNumberType.VOICEMAIL: "a voice mailbox",
}
_TEST_NUMBERS: Final = "+1500555"  # Twilio's, for trying out: they cost nothing and reach nobody
_NO_COUNTRY: Final = "001"  # satellites and international networks: dear, and favourites of fraud


class NumberSettings(msgspec.Struct, frozen=True, kw_only=True):
    """Where our drivers' phones are from."""

    ENV: ClassVar[dict[str, str]] = {"countries": "SLOTWATCH_PHONE_COUNTRIES"}

    countries: str = ""  # ISO 3166 codes: "DE,AT,CH"; empty: every country

    def __post_init__(self) -> None:
        known = phonenumbers.SUPPORTED_REGIONS
        for code in self.allowed:
            if not _COUNTRY.match(code) or code not in known:
                raise ValueError(
                    f"SLOTWATCH_PHONE_COUNTRIES has {code!r}; it must be two-letter codes such as DE,AT,CH"
                )

    @property
    def allowed(self) -> frozenset[str]:
        """The codes; none means every country."""
        return frozenset(code.strip().upper() for code in self.countries.split(",") if code.strip())


class NumberRules:
    """Checks numbers in E.164 form."""

    def __init__(self, settings: NumberSettings) -> None:
        self._allowed = settings.allowed

    def why_not(self, number: str) -> str | None:
        """Why nothing must be sent to this number, in words; None when it may.

        >>> NumberRules(NumberSettings(countries="DE")).why_not("+4915123456789")
        >>> NumberRules(NumberSettings(countries="DE")).why_not("+41791234567")
        'no messages go to phones of CH'
        """
        if number.startswith(_TEST_NUMBERS):
            return None
        try:
            parsed = phonenumbers.parse(number)
        except phonenumbers.NumberParseException:
            return "this is not a phone number"
        country = phonenumbers.region_code_for_number(parsed)
        if country is None or not phonenumbers.is_valid_number(parsed):
            return "no phone has this number"
        if country == _NO_COUNTRY:
            return "this number belongs to no country"
        if self._allowed and country not in self._allowed:
            return f"no messages go to phones of {country}"
        costly = _COSTLY.get(phonenumbers.number_type(parsed))
        return None if costly is None else f"this is {costly}"
