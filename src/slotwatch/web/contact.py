"""How to reach a person, checked: an e-mail address that could exist, a phone number in E.164."""

import unicodedata

import phonenumbers
from email_validator import EmailNotValidError, validate_email

__all__ = ["checked_email", "checked_name", "checked_phone"]


def checked_email(text: str) -> str:
    """The address in its usual form; nobody is asked whether it exists. Raises ValueError with a sentence."""
    try:
        return validate_email(text.strip(), check_deliverability=False).normalized
    except EmailNotValidError as error:
        raise ValueError(str(error)) from error


def checked_phone(text: str) -> str:
    """The number in E.164, such as +436601234567: refused, never guessed. Raises ValueError with a sentence."""
    sentence = "a phone number in E.164 is needed, such as +436601234567"
    if not text.startswith("+") or not text[1:].isascii() or not text[1:].isdigit():
        raise ValueError(sentence)
    try:
        number = phonenumbers.parse(text)
    except phonenumbers.NumberParseException as error:
        raise ValueError(sentence) from error
    if not phonenumbers.is_possible_number(number):
        raise ValueError("no phone number of that country has that length")
    return phonenumbers.format_number(number, phonenumbers.PhoneNumberFormat.E164)


def checked_name(text: str) -> str:
    """The name in one line of at most 120 characters. Raises ValueError with a sentence."""
    if any(unicodedata.category(character) in {"Cc", "Zl", "Zp", "Cs"} for character in text):
        raise ValueError("a name holds no control characters")
    name = " ".join(text.split())
    if not 0 < len(name) <= 120:
        raise ValueError("a name has 1 to 120 characters")
    return name
