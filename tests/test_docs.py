"""The guides say what is true: their code runs, and what they name exists."""

import re
from pathlib import Path
from unittest import mock

import pytest

import qdfool

ROOT = Path(__file__).parents[1]
PAGES = [
    ROOT / "README.md",
    ROOT / "CONTRIBUTING.md",
    ROOT / "CHANGELOG.md",
    *sorted((ROOT / "docs").rglob("*.md")),
]
OWN_TESTS = {"audit.md", "networks.md"}
"""Pages whose blocks want something that is not in them."""
QUICK = {"emitters.md"}
"""Pages whose blocks compile little."""


def blocks(path: Path, language: str) -> list[str]:
    return re.findall(rf"^```{language}\n(.*?)^```", path.read_text(), re.MULTILINE | re.DOTALL)


@pytest.mark.slow  # .ci/run runs it at every submission.
def test_the_guide_runs(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    code = "\n".join(
        block for block in blocks(ROOT / "docs/audit.md", "python") if "import torch" not in block
    )
    assert code.count("qdfool.evolve(") == 6
    exec(compile(code, "docs/audit.md", "exec"), {})
    assert (tmp_path / "audit/linear/gallery.png").exists()
    assert (tmp_path / "audit/service/elites.npz").exists()


@pytest.mark.parametrize(
    "page",
    [
        pytest.param(page, id=page.name, marks=() if page.name in QUICK else pytest.mark.slow)
        for page in PAGES
        if page.name not in OWN_TESTS and blocks(page, "python")
    ],
)
def test_the_blocks_of_a_page_run(page, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    # Pictures have tests of their own, and take longer than all else.
    monkeypatch.setattr("qdfool.results.result.Result.draw", lambda *_: None)
    exec(compile("\n".join(blocks(page, "python")), page.name, "exec"), {})


@pytest.mark.release
def test_the_network_behind_an_image_is_drawn(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    config = qdfool.Config(
        encoding="cppn", generations=1, batch_size=4, image_shape=(4, 4, 1), checkpoint_every=0
    )
    classifier = qdfool.Classifier(
        name="cats",
        image_shape=(4, 4, 1),
        class_names=("tabby", "other"),
        parameters={},
        logits=lambda _, images: images.reshape(len(images), -1)[:, :2],
    )
    with mock.patch("qdfool.results.result.Result.draw"):
        qdfool.evolve(config, classifier, out="archives/mine")
    (code,) = blocks(ROOT / "docs/networks.md", "python")
    exec(compile(f"import qdfool\n{code}", "docs/networks.md", "exec"), {})
    assert (tmp_path / "tabby.png").stat().st_size > 1000


def test_the_guide_runs_with_pytorch():
    pytest.importorskip("torch.nn", reason="PyTorch is not installed: pip install torch==2.13.0")
    (code,) = (block for block in blocks(ROOT / "docs/audit.md", "python") if "import torch" in block)
    assert "qdfool.from_torch(" in code
    exec(compile(code, "docs/audit.md", "exec"), {})


@pytest.mark.parametrize("page", PAGES, ids=lambda path: path.name)
def test_links_lead_somewhere(page):
    for target, anchor in re.findall(r"\]\(([^)#:]+)(?:#([^)]+))?\)", page.read_text()):
        assert (page.parent / target).exists(), f"{page.name} links to {target}"
        if anchor:
            titles = re.findall(r"^#+ (.+)$", (page.parent / target).read_text(), re.MULTILINE)
            anchors = {re.sub(r"[^\w -]", "", title).lower().replace(" ", "-") for title in titles}
            assert anchor in anchors, f"{page.name} links to {target}#{anchor}"


def test_what_is_named_to_contributors_is_there():
    page = (ROOT / "CONTRIBUTING.md").read_text().split("```")[2]
    named = [name for name in re.findall(r"`([\w./]+)`", page) if "/" in name or name.endswith(".py")]
    assert len(named) > 30
    homes = [ROOT, ROOT / "qdfool", ROOT / "qdfool/classifiers/networks"]
    for name in named:
        assert any((home / name).exists() for home in homes), name
    for table, name in re.findall(r"`([A-Z]+)` in `([\w./]+)`", page):
        source = (ROOT / "qdfool" / name).read_text()
        assert re.search(rf"^{table}\b", source, re.MULTILINE), f"{table} in {name}"


def test_the_reference_has_what_the_package_exports():
    text = "".join(path.read_text() for path in (ROOT / "docs/reference").glob("*.md"))
    there = set(re.findall(r"^::: qdfool\.([\w.]+)$", text, re.MULTILINE))
    for module, names in qdfool._MODULES.items():
        module = "config.settings" if module == "config" else module
        for name in names:
            assert module in there or f"{module}.{name}" in there, f"{module}.{name}"


def test_every_promise_names_a_test_that_there_is():
    page = (ROOT / "docs/trust.md").read_text()
    named = re.findall(r"`((?:\w+/)*test_\w+\.py)(?:::(\w+))?`", page)
    assert len(named) > 20
    for path, function in named:
        source = (ROOT / "tests" / path).read_text()
        assert not function or re.search(rf"^def {function}\(", source, re.MULTILINE), f"{path}::{function}"
    for row in re.findall(r"^\| .*$", page, re.MULTILINE):
        assert row.count("|") in (3, 4), row
