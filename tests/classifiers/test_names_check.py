"""Names of classes that are none are refused at the start, wherever they come from."""

import itertools
from dataclasses import replace

import fake
import numpy as np
import pytest

import qdfool
from qdfool.classifiers.custom import wrap
from qdfool.classifiers.names_check import LONGEST_NAME, check_class_names
from qdfool.classifiers.views import grouped
from qdfool.errors import InputError


class Odd:
    def __iter__(self):
        raise SystemExit(0)


WRONG = [
    (("a", "b", "c", 7), "class 3 of .* is named 7, of type int"),
    (("a", None, "c", "d"), "class 1 of .* is named None"),
    (("a", ["b"], "c", "d"), r"class 1 of .* is named \['b'\], of type list"),
    (("a", "b", "c", float("nan")), "class 3 of .* is named nan"),
    (("a", "b", "c", "\ud800"), r"half a character in its name, '\\ud800'"),
    (("a", "b", "c", "d\0"), r"control character.*'d\\x00'"),
    (("a", "b", "c", "\x1b[2J"), "control character"),
    (("a", "b", "c", "d\nqdfool: all good"), "line break"),
    (("a", "b", "c", ""), "class 3 of .* has an empty name"),
    (("a", "b", " ", "d"), "class 2 of .* has an empty name"),
    (("a", "b", "c", "d" * (LONGEST_NAME + 1)), "name of 301 characters"),
    (("a", "b", "c", "c"), "must be unique; .* has twice: c"),
    (("a", "b", "c"), "names 3 classes but returns 4 logits"),
    (itertools.count(), "class 0 of .* is named 0"),
    ((str(index) for index in itertools.count()), "more than 4 classes but returns 4"),
    (Odd(), "cannot be read: SystemExit: 0"),
    ("abcd", "class names of .* are 'abcd'"),
    (4, "class names of .* are 4"),
]


@pytest.mark.parametrize(("names", "message"), WRONG)
def test_names_that_are_none_are_refused(names, message):
    with pytest.raises(InputError, match=message) as refused:
        check_class_names("mine", names, 4)
    assert str(refused.value).isprintable()
    assert len(str(refused.value)) < 500


def said_by_a_function(names):
    def mine(images):
        return fake.host_logits(images)

    mine.__dict__.update(class_names=names, image_shape=fake.SHAPE)
    return wrap(mine)


@pytest.mark.parametrize("names", [("a", "b", "c", 7), ("a", "b", "c", "\ud800"), ("a", ["b"], "c", "d"), 4])
@pytest.mark.parametrize(
    "give",
    [
        said_by_a_function,
        lambda names: wrap(replace(fake.classifier, class_names=names)),
        lambda names: qdfool.AskTell(replace(qdfool.Config(), batch_size=12), fake.SHAPE, names),
    ],
    ids=["function", "Classifier", "AskTell"],
)
def test_they_are_refused_wherever_they_come_from(give, names):
    with pytest.raises(InputError, match="Expected a text of one line"):
        give(names)


def test_names_of_groups_are_names():
    with pytest.raises(InputError, match="control character"):
        grouped(fake.classifier, ["a\0b=1"])


def test_ask_and_tell_need_two_names():
    for names in (None, (), ("one",)):
        with pytest.raises(InputError, match="Expected 2 or more"):
            check_class_names("ask/tell", names, None)


def test_a_classifier_has_a_name():
    with pytest.raises(InputError, match="A classifier of your own is named None"):
        wrap(replace(fake.classifier, name=None))


def test_attributes_that_fail_are_named():
    class Mine:
        def __call__(self, images):
            return fake.host_logits(images)

        @property
        def class_names(self):
            raise RuntimeError("not yet")

    with pytest.raises(
        InputError, match="Mine fails when it is asked for its class_names: RuntimeError: not yet"
    ):
        wrap(Mine(), fake.SHAPE)


def test_names_become_plain_texts():
    names = said_by_a_function(np.array(["ein Wal", "ウナギ", "c", "d"])).class_names
    assert names == ("ein Wal", "ウナギ", "c", "d")
    assert all(type(name) is str for name in names)
    assert said_by_a_function(None).class_names == ("class 0", "class 1", "class 2", "class 3")
    assert said_by_a_function([]).class_names == ("class 0", "class 1", "class 2", "class 3")
