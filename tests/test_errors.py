import sys
from dataclasses import replace

import fake
import pytest

from qdfool.build import build_classifier
from qdfool.classifiers.names_check import check_class_names
from qdfool.classifiers.views import grouped
from qdfool.config import Config, differences, from_dict
from qdfool.errors import (
    LONGEST_MESSAGE,
    OWN,
    InputError,
    code_of_a_user,
    described,
    in_range,
    known_name,
    listed,
    shown,
)


def test_a_known_name_is_returned():
    assert known_name("measure", "ink", ["ink", "symmetry"]) == "ink"


def test_an_unknown_name_is_told_the_nearest_and_all():
    with pytest.raises(
        InputError, match=r"Unknown measure 'simetry'. Did you mean 'symmetry'\? Known: ink, symmetry"
    ):
        known_name("measure", "simetry", ["ink", "symmetry"])


def test_a_far_off_name_is_told_all():
    with pytest.raises(
        InputError, match=r"Unknown measure 'zzz'. Known: ink, symmetry; or one of your own, as"
    ):
        known_name("measure", "zzz", ["ink", "symmetry"], OWN)
    with pytest.raises(InputError, match=r"Unknown measure 'zzz'. Known: ink"):
        known_name("measure", "zzz", ["ink"])


@pytest.mark.parametrize("value", [-0.1, 1.1, float("nan")])
def test_out_of_range(value):
    with pytest.raises(InputError, match="rate must be between 0 and 1; got"):
        in_range("rate", value, 0, 1)


def test_the_ends_are_in_range():
    in_range("rate", 0, 0, 1)
    in_range("rate", 1, 0, 1)
    in_range("size", 10**9, 1)


def test_a_thousand_names_are_not_all_listed():
    names = [f"class {number}" for number in range(1000)]
    with pytest.raises(InputError) as caught:
        known_name("class", "class 77x", names)
    assert "Did you mean 'class 77'?" in str(caught.value)
    assert str(caught.value).endswith("class 39 and 960 more.")


ATTACK = "\x1b[2J\x07\r\nqdfool: all good\u202e\x9b31m\ud800"


def test_a_message_is_one_line_without_what_a_terminal_obeys():
    message = str(InputError(f"The file {ATTACK} is damaged. Copy it again."))
    assert message.isprintable()
    assert message.startswith(r"The file \x1b[2J\x07\r\nqdfool: all good\u202e\x9b31m\ud800 is damaged")


def test_a_message_keeps_its_beginning_and_its_end():
    message = str(InputError(f"Bad file: {'x' * 5_000_000}. Copy it again."))
    assert len(message) < LONGEST_MESSAGE + 10
    assert message.startswith("Bad file")
    assert message.endswith("Copy it again.")


class Unprintable:
    def __repr__(self) -> str:
        raise RuntimeError("no")


@pytest.mark.parametrize(
    "value",
    [ATTACK, "x" * 5_000_000, 10**10_000, Unprintable(), [ATTACK] * 99, b"\x1b" * 999],
    ids=["text", "long text", "digits", "object", "list", "bytes"],
)
def test_a_value_is_shown_short_and_printable(value: object):
    assert shown(value).isprintable()
    assert len(shown(value)) < 120 + 4 * len(ATTACK)


def test_an_odd_name_is_quoted_and_shortened_and_a_usual_one_is_not():
    assert listed(["conv1/kernel", "a\nb", "z"], 2) == r"conv1/kernel, 'a\nb' and 1 more"
    assert len(listed(["x" * 1_000_000] * 3)) < 400
    with pytest.raises(InputError, match=r"Unknown class '\\x1b.*Known: '\\x1b.*'\.$") as caught:
        known_name("class", ATTACK * 100_000, [ATTACK])
    assert len(str(caught.value)) < 1000


@pytest.mark.parametrize("raised", [SystemExit(0), KeyboardInterrupt(), GeneratorExit()])
def test_an_object_that_raises_whatever_when_it_is_shown_is_told_by_its_type(raised: BaseException):
    def raises(self, *arguments):
        raise raised

    kinds = [(RuntimeError, "__str__"), (object, "__repr__"), (str, "__getitem__")]
    error, value, text = (type("Odd", (kind,), {method: raises})() for kind, method in kinds)
    assert described(error) == "Odd: (has no text)"
    assert shown(value) == shown(text) == "a Odd that cannot be shown"
    with pytest.raises(InputError, match="it failed: Odd"), code_of_a_user("it failed"):
        raise error
    with pytest.raises(InputError, match="is named a Odd that cannot be shown, of type Odd"):
        check_class_names("fake", ["a", value], 2)


def test_code_of_a_user_may_raise_the_limit_of_recursion_and_not_lower_it():
    before = sys.getrecursionlimit()
    with code_of_a_user("it failed"):
        sys.setrecursionlimit(before // 2)
    assert sys.getrecursionlimit() == before
    try:
        with code_of_a_user("it failed"):
            sys.setrecursionlimit(before * 2)
        assert sys.getrecursionlimit() == before * 2
    finally:
        sys.setrecursionlimit(before)


FOUR = replace(fake.classifier, class_names=(ATTACK, "b", "c", "d"))
MESSAGES = {
    "a group": lambda: grouped(FOUR, [f"{ATTACK * 9_999}=0,0"]),
    "a class of a group": lambda: grouped(FOUR, [f"x={ATTACK * 9_999}"]),
    "doubled class names": lambda: check_class_names("fake", [ATTACK] * 2, 2),
    "a classifier": lambda: build_classifier(replace(Config(), classifier=ATTACK * 9_999)),
    "a reference": lambda: build_classifier(replace(Config(), classifier=f"no_such_module:{ATTACK * 9_999}")),
    "a setting": lambda: from_dict({ATTACK * 9_999: 1}),
    "a value": lambda: from_dict({"seed": [ATTACK * 9_999]}),
    "weights": lambda: build_classifier(replace(Config(), weights=ATTACK)),
}


@pytest.mark.parametrize("name", MESSAGES)
def test_what_comes_from_outside_is_quoted_and_shortened(name: str):
    with pytest.raises(InputError) as caught:
        MESSAGES[name]()
    assert str(caught.value).isprintable()
    assert r"\x1b[2J" in str(caught.value)
    assert len(str(caught.value)) < 2000


def test_settings_that_differ_are_quoted_and_shortened():
    (difference,) = differences(Config(), replace(Config(), classifier=ATTACK * 9_999))
    assert difference.startswith(r"classifier: 'lenet' -> '\x1b[2J")
    assert difference.isprintable()
    assert len(difference) < 300
