"""What the package needs: how it is bounded, and under which licences it comes."""

import re
from importlib.metadata import Distribution

import pytest
from dependencies import BUILD, EXTRAS, NEEDED, dependencies

# A licence by its name in SPDX, then what classifiers and older fields call it.
PERMITTED = {
    "0BSD": set(),
    "Apache-2.0": {"Apache Software License", "Apache 2.0", "Apache License 2.0"},
    "Apache-2.0 WITH LLVM-exception": set(),
    "BSD-2-Clause": set(),
    "BSD-3-Clause": {"BSD", "BSD License", "3-Clause BSD License"},
    "BSL-1.0": set(),
    "CC0-1.0": set(),
    "HPND": {"Historical Permission Notice and Disclaimer (HPND)"},
    "ISC": {"ISC License (ISCL)"},
    "MIT": {"MIT License"},
    "MIT-CMU": set(),
    "MPL-2.0": {"Mozilla Public License 2.0 (MPL 2.0)"},
    "PSF-2.0": {"Python Software Foundation License"},
    "Zlib": set(),
}
NAMES = PERMITTED.keys() | set().union(*PERMITTED.values())


def expression_permitted(expression: str) -> bool:
    """Whether one of the alternatives is permitted in all its parts; with brackets, whether all is."""
    choices = [expression] if "(" in expression else expression.split(" OR ")
    return any(all(name.strip("() ") in NAMES for name in re.split(" AND | OR ", one)) for one in choices)


def permitted(one: Distribution) -> bool:
    """Whether its licence is: the expression, without one the classifiers, without these the older field."""
    fields = one.metadata
    if expressions := fields.get_all("License-Expression"):
        return all(map(expression_permitted, expressions))
    classifiers = [
        text.split(" :: ")[1:]
        for text in fields.get_all("Classifier") or []
        if text.startswith("License :: ")
    ]
    named = [words[-1] for words in classifiers if words != ["OSI Approved"]]
    if named:
        return NAMES.issuperset(named)
    return any(text in NAMES or expression_permitted(text) for text in fields.get_all("License") or [])


def test_what_is_needed_is_found_through_others_and_their_extras():
    found = dependencies().keys()
    assert {"jax", "jaxlib", "ribs", "shapely"} <= found
    assert "pytest" not in found


def test_what_is_needed_comes_under_a_permitted_licence():
    refused = [f"{name} {one.version}" for name, one in sorted(dependencies().items()) if not permitted(one)]
    assert not refused, f"The licences of {refused} are unknown, or not among {sorted(PERMITTED)}"


@pytest.mark.parametrize(
    ("fields", "expected"),
    [
        ("License-Expression: MIT", True),
        ("License-Expression: GPL-3.0-only", False),
        ("License-Expression: GPL-3.0-only OR MIT", True),
        ("License-Expression: GPL-3.0-only AND MIT", False),
        ("License-Expression: BSD-3-Clause AND (MIT OR Apache-2.0)", True),
        ("License-Expression: GPL-3.0-only AND (MIT OR BSD-3-Clause OR ISC)", False),
        ("License-Expression: GPL-3.0-only\nLicense: MIT", False),
        ("Classifier: License :: OSI Approved :: MIT License", True),
        ("Classifier: License :: OSI Approved\nLicense: MIT", True),
        ("Classifier: License :: Other/Proprietary License\nLicense: MIT", False),
        ("License: MIT OR AFL-2.1", True),
        ("License: See the file", False),
        ("License:", False),
        ("Classifier: License :: OSI Approved", False),
        ("Summary: says nothing", False),
    ],
)
def test_a_licence_that_is_unknown_or_not_permitted_is_refused(tmp_path, fields, expected):
    (tmp_path / "METADATA").write_text(f"Metadata-Version: 2.4\nName: one\nVersion: 1\n{fields}\n")
    assert permitted(Distribution.at(tmp_path)) == expected


def test_a_dependency_has_a_lower_bound_and_no_upper_one():
    """A release that does not work is excluded by `!=`; whatever is newer is for the user to choose."""
    everything = [*BUILD, *NEEDED, *(one for extra in EXTRAS.values() for one in extra)]
    for requirement in everything:
        operators = {one.operator for one in requirement.specifier}
        assert operators <= {">=", "!="}, f"{requirement} has a bound from above"
        assert ">=" in operators, f"{requirement} has no lower bound"
