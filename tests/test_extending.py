"""docs/extending.md, followed literally in a copy of the checkout."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

import pytest

from tests.helpers.checkout import ROOT, copy_checkout

PAGE = ROOT / "docs" / "extending.md"
_BLOCK = re.compile(
    r"^(?:New file `(?P<new>[^`]+)`|Line in `(?P<old>[^`]+)`, after `(?P<after>[^`]+)`):\n\n"
    r"```python\n(?P<code>.*?)```$",
    re.MULTILINE | re.DOTALL,
)


@dataclass(frozen=True)
class Step:
    """One code block: a new file, or lines behind the one that holds `after`."""

    path: str
    code: str
    after: str | None

    def take(self, root: Path) -> None:
        """Do what the page says."""
        file = root / self.path
        if self.after is None:
            assert not file.exists(), self.path
            file.write_text(self.code)
            return
        lines = file.read_text().splitlines(keepends=True)
        (place,) = [number for number, line in enumerate(lines) if self.after in line]
        file.write_text("".join([*lines[: place + 1], self.code, *lines[place + 1 :]]))


def steps() -> list[Step]:
    found = [
        Step(block["new"] or block["old"], block["code"], block["after"])
        for block in _BLOCK.finditer(PAGE.read_text())
    ]
    assert len(found) == PAGE.read_text().count("```python")  # every block says where it goes
    return found


@pytest.fixture(scope="module")
def extended(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The copy with everything of the page in it."""
    root = copy_checkout(tmp_path_factory.mktemp("extended"))
    for step in steps():
        step.take(root)
    return root


def run(root: Path, *command: str) -> str:
    environment = {**os.environ, "PYTHONPATH": str(root)}
    for name in [name for name in environment if name.startswith("PYTEST_")]:
        del environment[name]
    done = subprocess.run(
        [sys.executable, *command], cwd=root, env=environment, capture_output=True, text=True, timeout=500
    )
    assert done.returncode == 0, done.stdout[-3000:] + done.stderr[-3000:]
    return done.stdout


def test_each_addition_is_one_file_and_at_most_one_line():
    kinds = {"operators", "data", "segmentation"}  # what stands in a registry
    lines = {step.path.split("/")[1]: step.code for step in steps() if step.after is not None}
    assert lines.keys() == kinds and all(code.count("\n") == 1 for code in lines.values())
    files = [step.path for step in steps() if step.after is None]
    assert len(files) == len(set(files)) == 7


def test_the_new_operator_keeps_the_contract(extended):
    said = run(extended, "-m", "pytest", "-q", "tests/operators", "-k", "contract and depthwise")
    passed = re.search(r"(\d+) passed", said)
    assert passed and int(passed[1]) >= 30 and "failed" not in said
    for command in (("check", "."), ("format", "--check", ".")):
        run(extended, "-m", "ruff", *command)


@pytest.mark.slow
def test_what_is_added_is_typed(extended):
    assert "Success" in run(extended, "-m", "mypy")


_WHOLE_WAY = """
from pathlib import Path
import torch
from strategies.last_sharing import SHARING
from strategies.one_shot import train_supernet
from strategies.root_sampling import SAMPLING
import trionet_nni
from trionet_nni.architecture.cost import CostModel
from trionet_nni.data import load_splits
from trionet_nni.export.network import write_network
from trionet_nni.export.settings import retrain_config
from trionet_nni.nnictl.search.in_process import search_in_process
from trionet_nni.segmentation.registry import TASKS
from trionet_nni.settings.plugins import load_table
from trionet_nni.settings.project import ProjectConfig
from trionet_nni.supernet.evaluator import Evaluator

recipe = {"steps": 2, "batch_size": 16, "warmup_epochs": 0, "augment": "none", "learning_rate": 0.05}
config = ProjectConfig.model_validate({
    "space": "spaces.small_depthwise",
    "data": {"name": "stripes", "image_size": 28, "search_images": 40, "recalibration_images": 40},
    "supernet": {"recipe": recipe, "curve_points": 1, "sampling": "strategies.root_sampling",
                 "sharing": "strategies.last_sharing"},
    "search": {"max_flops": 2e7, "population": 4, "strategy": "strategies.random_search"},
    "retrain": recipe, "finetune": recipe,
})
for full, heads, sampled in ((16, 4, 8), (16, 8, 8), (16, 2, 16)):
    x = torch.randn(full, 3)
    assert torch.equal(SHARING.take(x, 0, heads, sampled), x[SHARING.rows(full, heads, sampled)])
points = []
supernet, cache = Path("work/supernets/one"), Path("work/cache")
train_supernet(config, supernet, points.append, cache=cache)
assert set(points[-1]) == {"default", "step", "conv", "local", "axial", "depthwise"}
table, splits = load_table(config.space), load_splits(config.data, cache)
assert SAMPLING.weights(table)["local"] == 48 ** 0.5
cost = CostModel(splits.classes, splits.channels, splits.image_size)
evaluator = Evaluator(config, supernet, cache)
found = search_in_process(
    config.search, table, cost, lambda network: evaluator.evaluate(network).score(config.search.metric), 4
)
assert len({model.architecture.hash for model in found}) == 4
with_it = [m.architecture for m in found if "depthwise" in m.architecture.operators]
network = with_it[0] if with_it else found[0].architecture
print("searched", [m.architecture.operators for m in found])
write_network(Path("work/out"), network, config, retrain_config(config), supernet, splits, origin={})
loaded = trionet_nni.load("work/out")
assert loaded(splits.test.normalized(torch.arange(4))).shape == (4, 2)
assert with_it, "no candidate of the four has the new operator"
assert "focal" in TASKS
"""


def test_supernet_search_and_export_with_everything_new(extended):
    assert "depthwise" in run(extended, "-W", "ignore", "-c", _WHOLE_WAY)
    network = (extended / "work" / "out" / "architecture.json").read_text()
    assert '"depthwise"' in network and "depthwise" in (extended / "work" / "out" / "card.md").read_text()
    line = run(extended, "-m", "trionet_nni.cli", "count", "work/out/architecture.json")
    assert "FLOPs" in line
