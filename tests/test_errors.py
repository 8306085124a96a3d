import pytest

from qdfool.errors import InputError, in_range, known_name


def test_a_known_name_is_returned():
    assert known_name("measure", "ink", ["ink", "symmetry"]) == "ink"


def test_an_unknown_name_is_told_the_nearest_and_all():
    with pytest.raises(
        InputError, match=r"Unknown measure 'simetry'. Did you mean 'symmetry'\? Known: ink, symmetry"
    ):
        known_name("measure", "simetry", ["ink", "symmetry"])


def test_a_far_off_name_is_told_all():
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
