from qdfool.classifiers.imagenet import CLASS_NAMES, DOGS_AND_CATS


def test_there_are_a_thousand_different_names():
    assert len(CLASS_NAMES) == 1000
    assert len(set(CLASS_NAMES)) == 1000
    assert all(name == name.strip() and name for name in CLASS_NAMES)


def test_a_name_that_two_classes_have_says_which():
    assert CLASS_NAMES[134] == "crane (n02012849)"
    assert CLASS_NAMES[517] == "crane (n03126707)"


def test_the_order_is_that_of_the_networks():
    assert CLASS_NAMES[0] == "tench"
    assert [CLASS_NAMES[index] for index in (281, 282, 285)] == ["tabby", "tiger cat", "Egyptian cat"]
    assert CLASS_NAMES[967] == "espresso"
    assert CLASS_NAMES[999] == "toilet tissue"


def test_the_band_of_dogs_and_cats_is_bounded_by_them():
    first, last = DOGS_AND_CATS
    assert (CLASS_NAMES[first], CLASS_NAMES[last]) == ("Chihuahua", "Egyptian cat")
