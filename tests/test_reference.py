"""What `package.module:attribute` names, and modules that fail while they are asked for it."""

import sys

import pytest

from qdfool.build.reference import named_object
from qdfool.errors import InputError
from qdfool.run import main

LEAVES_LATER = """
def __getattr__(name):
    import sys
    sys.exit(0)
"""


@pytest.mark.parametrize(
    ("code", "message"),
    [
        ("import sys; sys.exit(0)", "SystemExit: 0"),
        ("raise GeneratorExit", "GeneratorExit"),
        ("def", "SyntaxError"),
        (LEAVES_LATER, "SystemExit: 0"),
    ],
    ids=["leaves", "generator", "syntax", "leaves later"],
)
def test_whatever_a_module_raises_is_an_input_error(tmp_path, monkeypatch, request, code, message):
    module = f"module_{abs(hash(request.node.name))}"
    (tmp_path / f"{module}.py").write_text(code)
    monkeypatch.chdir(tmp_path)
    with pytest.raises(
        InputError, match=rf"Cannot import '{module}' \(named by '{module}:logits'\): {message}"
    ):
        named_object(f"{module}:logits")


def test_an_attribute_that_there_is_not_is_named():
    with pytest.raises(InputError, match=r"Unknown attribute of fake 'logitss'\. Did you mean 'logits'"):
        named_object("fake:logitss")


NEIGHBOURLY = """
def logits(images):
    import neighbour_of_a_classifier
    return neighbour_of_a_classifier.logits(images)
logits.image_shape = (8, 8, 1)
"""


def test_a_module_may_import_its_neighbours_at_any_time(tmp_path, monkeypatch):
    (tmp_path / "neighbourly_classifier.py").write_text(NEIGHBOURLY)
    (tmp_path / "neighbour_of_a_classifier.py").write_text("from fake import host_logits as logits")
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "path", [path for path in sys.path if path])
    with pytest.raises(SystemExit) as ended:
        main(
            [
                *[
                    "--classifier",
                    "neighbourly_classifier:logits",
                    "--generations",
                    "1",
                    "--batch-size",
                    "4",
                    "--quiet",
                ]
            ]
        )
    assert ended.value.code == 0
