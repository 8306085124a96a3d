"""What `package.module:attribute` names, and modules that fail while they are asked for it."""

import pytest

from qdfool.build.reference import named_object
from qdfool.errors import InputError

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
