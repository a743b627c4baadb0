"""Networks side by side: what each of them is, what it costs and what it was measured to reach."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import zip_longest
from pathlib import Path

from rich.console import Console
from rich.table import Table

from trionet_nni.architecture.architecture import Architecture, block_to_dict
from trionet_nni.architecture.baselines import network_named
from trionet_nni.architecture.cost import CostModel
from trionet_nni.architecture.drawing import network_svg
from trionet_nni.export.card import Card, read_card
from trionet_nni.export.load import architecture_of
from trionet_nni.export.weights import best_measured
from trionet_nni.operators.cost import Cost


@dataclass(frozen=True)
class Network:
    """A network as a reader named it.

    Attributes:
        card: of an exported folder; None for a file or a hand-designed network.
    """

    name: str
    architecture: Architecture
    card: Card | None

    @property
    def cost(self) -> Cost:
        """For its own images, or for ImageNet's."""
        if self.card is None:
            return CostModel()(self.architecture)
        card = self.card
        return CostModel(card.classes, card.channels, card.image_size)(self.architecture)

    @property
    def drawing(self) -> str:
        """See `architecture.drawing`."""
        if self.card is None:
            return network_svg(self.architecture)
        return network_svg(self.architecture, image_size=self.card.image_size, classes=self.card.classes)

    @property
    def input(self) -> tuple[int, int, int]:
        """Channels, height and width of the images that it is for."""
        if self.card is None:
            return 3, self.architecture.skeleton.image_size, self.architecture.skeleton.image_size
        return self.card.channels, self.card.image_size, self.card.image_size

    @property
    def accuracy(self) -> str:
        """Of its best set of weights, where one was measured on test images."""
        trained = {} if self.card is None else self.card.trained
        return f"{trained[best_measured(trained)].accuracy:.4f}" if trained else ""

    @property
    def reached(self) -> str:
        """The same, with its conditions."""
        if self.card is None or not self.card.trained:
            return "not measured"
        name = best_measured(self.card.trained)
        found = self.card.trained[name]
        loss = "" if found.loss is None else f", loss {found.loss:.4f}"
        return f"{found.accuracy:.4f}{loss} ({name}, {found.images:,} {found.split} images)"


def look_at(name: str) -> Network:
    """An exported folder, an architecture file, or a hand-designed network by its name.

    Raises:
        InputError: it is none of them.
    """
    folder = Path(name)
    if folder.is_dir():
        card = read_card(folder)
        return Network(name, architecture_of(card, folder / "architecture.json"), card)
    return Network(name, network_named(name), None)


def print_compared(networks: Sequence[Network]) -> None:
    """A column a network, and a row for each block in which they differ."""
    table = Table(title="Side by side")
    table.add_column("")
    for one in networks:
        table.add_column(one.name, overflow="fold")
    costs = [one.cost for one in networks]
    table.add_row("FLOPs of one image", *(f"{cost.flops:,}" for cost in costs))
    table.add_row("parameters", *(f"{cost.params:,}" for cost in costs))
    table.add_row("accuracy", *(one.reached for one in networks))
    table.add_row("input", *map(_input, networks), end_section=True)
    same = 0
    for at, blocks in _blocks(networks):
        if len(set(blocks)) == 1:
            same += 1
        else:
            table.add_row(at, *blocks)
    console = Console()
    console.print(table, markup=False)
    if same:
        console.print(
            f"The same in all of them: {same} blocks." if same > 1 else "One block is the same in all."
        )


def _input(one: Network) -> str:
    classes = 1000 if one.card is None else one.card.classes
    return f"{' × '.join(map(str, one.input))}, {classes:,} classes"


def _blocks(networks: Sequence[Network]) -> list[tuple[str, tuple[str, ...]]]:
    """(where, what each network has there), first to last."""
    rows = []
    stages = zip_longest(*(one.architecture.stages for one in networks), fillvalue=())
    for stage, blocks in enumerate(stages, 1):
        for number, row in enumerate(zip_longest(*blocks), 1):
            rows.append((f"stage {stage}, block {number}", tuple(map(_text, row))))
    return rows


def _text(block: object) -> str:
    if block is None:
        return "–"
    options = block_to_dict(block)  # type: ignore[arg-type]
    operator = options.pop("operator")
    return " ".join((operator, *(f"{name} {value:g}" for name, value in options.items())))
