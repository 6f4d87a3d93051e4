"""What is wrong with the types in a body, in words a person reads beside a quarantined message."""

import re

import msgspec

EXPECTED = re.compile(r"Expected `(?P<wanted>[^`]+)`, got `(?P<got>[^`]+)`")
MISSING = re.compile(r"Object missing required field `(?P<field>[^`]+)`")
PLACE = re.compile(r" - at `\$\.?(?P<place>[^`]*)`$")
KINDS = {
    "str": "text",
    "float": "a number",
    "int": "a whole number",
    "bool": "true or false",
    "array": "a list",
    "object": "an object",
    "null": "nothing (null)",
}


def in_words(error: msgspec.ValidationError) -> str:
    """Return the decoder's complaint as a sentence; what it says of values (a time, a range) stands as it is.

    >>> in_words(msgspec.ValidationError("Expected `float | null`, got `str` - at `$.readings[0].left`"))
    'readings[0].left is text; it must be a number or nothing (null)'
    >>> in_words(msgspec.ValidationError("Object missing required field `readings`"))
    'the message has no readings'
    >>> in_words(msgspec.ValidationError("Object missing required field `slot` - at `$.readings[0]`"))
    'readings[0] has no slot'
    """
    text = str(error)
    found = PLACE.search(text)
    place = (found["place"] if found else "") or "the message"
    if expected := EXPECTED.match(text):
        wanted = " or ".join(_kind(one) for one in expected["wanted"].split(" | "))
        return f"{place} is {_kind(expected['got'])}; it must be {wanted}"
    if missing := MISSING.match(text):
        return f"{place} has no {missing['field']}"
    return f"{place}: {PLACE.sub('', text).replace('`', '')}"


def _kind(name: str) -> str:
    return KINDS.get(name, name)
