"""Who is a finalist, how long each is trained, who goes on, and in which order they end. No torch, no NNI.

A supernet ranks networks by weights that they share. Finalists are trained from scratch instead, all of
them to the end, or, where trainings are long, by successive halving (Jamieson and Talwalkar 2016): all of
them for a part of the steps, the better half for twice as long, and so on. Halving is off by default: on
500 digits the supernet's first choice had a loss of 1.3 at 188 of 750 steps and fell out, though it was
better than the winner where both were trained to the end (docs/results.md). A short training tells how fast
a network learns.

The losses of one rung are compared with one another and with none of another rung: everybody on it has
had the same steps at the same rates. A rung's last step has a rate of nearly zero, and the next rung goes
on from there at the full rate (warm restarts: SGDR, Loshchilov and Hutter 2017; `Rung.steps` are where).
So networks are compared after annealing, as the winner will be used; one cosine over all steps would judge
an early rung close to the peak rate, where losses are mostly noise. And no step is taken twice, as one
complete short training for each rung would take them.

An experiment runs it as NNI trials, `trionet_nni.finalists.in_process` here and now. Both keep the losses
they have by (hash, number of the rung) and ask `waiting` what is next; so nothing else has to be saved.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from trionet_nni.architecture.architecture import Architecture

# Validation loss by (hash, number of the rung); None: no result can be had (its trials failed).
Losses = Mapping[tuple[str, int], float | None]


@dataclass(frozen=True)
class Rung:
    """A step of the ladder.

    Attributes:
        number: from 1.
        networks: how many are trained on it, at most.
        steps: optimizer steps of each at its end, those of the rungs before it included.
    """

    number: int
    networks: int
    steps: int


@dataclass(frozen=True)
class Training:
    """A network that has to be trained from the end of the rung before to the end of this one."""

    architecture: Architecture
    rung: Rung

    @property
    def key(self) -> tuple[str, int]:
        """How its loss is called in `Losses`."""
        return self.architecture.hash, self.rung.number


def rungs(count: int, steps: int, halvings: int = 0) -> tuple[Rung, ...]:
    """The ladder: all finalists to the first rung, the better half of those on a rung to the next.

    Six networks, 1,000 steps and two halvings: six to step 250, three to 500, two to 1,000.

    Args:
        count: `search.finalists.count`, at least 2.
        steps: `search.finalists.steps`, of those who are trained to the end.
        halvings: `search.finalists.halvings`; none where two networks are left.
    """
    networks = [count]
    while len(networks) <= halvings and networks[-1] > 2:
        networks.append(half(networks[-1]))
    last = len(networks) - 1
    return tuple(
        Rung(index + 1, size, math.ceil(steps / 2 ** (last - index))) for index, size in enumerate(networks)
    )


def half(count: int) -> int:
    """Of so many networks, how many go on: the better half, rounded up."""
    return -(-count // 2)


def trials(ladder: Sequence[Rung], budgets: int = 1) -> int:
    """How many trainings there are at most; a network that two budgets share is trained once."""
    return budgets * sum(rung.networks for rung in ladder)


def training_steps(ladder: Sequence[Rung], budgets: int = 1) -> int:
    """Optimizer steps of all finalists together, at most."""
    before = [0, *(rung.steps for rung in ladder)]
    return budgets * sum(
        rung.networks * (rung.steps - start) for rung, start in zip(ladder, before, strict=False)
    )


def choose(ranked: Sequence[Architecture], count: int) -> tuple[Architecture, ...]:
    """The finalists among the candidates of one budget: stand-alone networks, and different candidates.

    Of each operator the best network all of whose blocks have it takes part, whatever the supernet thinks
    of it: it is what a user would have taken without a search, and what a supernet gets wrong is more
    between operators than between options of one. One place at least is left for the best of the others.

    The others differ from all who take part: in an operator somewhere, or in their depths. A search ends
    among near copies of its best network, and training ten kernel sizes of one would decide little. Where
    there are fewer different ones, the best of the rest fill up.

    Args:
        ranked: the evaluated candidates within the budget, the best first.
        count: how many, at least 2.

    Returns:
        `count` networks, or fewer where there are fewer, in the order of `ranked`.
    """
    best_alone: dict[str, Architecture] = {}
    for network in ranked:
        if stands_alone(network):
            best_alone.setdefault(next(network.blocks())[1].operator, network)
    chosen = list(best_alone.values())[: count - 1]
    layouts = {network.operators for network in chosen}
    for network in ranked:
        if len(chosen) < count and network.operators not in layouts:
            chosen.append(network)
            layouts.add(network.operators)
    chosen += [network for network in ranked if network not in chosen][: count - len(chosen)]
    return tuple(network for network in ranked if network in chosen)


def stands_alone(network: Architecture) -> bool:
    """Whether all its blocks have one operator."""
    return len({block.operator for _, block in network.blocks()}) == 1


def waiting(finalists: Iterable[Architecture], ladder: Sequence[Rung], losses: Losses) -> list[Training]:
    """What has to be trained now: who lacks a loss on the first rung that is not complete. Empty: all done.

    Args:
        finalists: of one budget, the best first.
        losses: those that are known so far.
    """
    alive = list(finalists)
    for rung in ladder:
        missing = [one for one in (Training(network, rung) for network in alive) if one.key not in losses]
        if missing:
            return missing
        alive = _go_on(alive, rung, ladder, losses)
    return []


def order(
    finalists: Iterable[Architecture], ladder: Sequence[Rung], losses: Losses
) -> list[tuple[Architecture, Rung]]:
    """The finalists of one budget, the winner first, each with the last rung that it has a loss on.

    Whoever came further is before who did not; of those on one rung, the lower loss is. Losses that are
    not known count as if they could not be had: before the end the order is a preliminary one.
    """
    alive, ordered = list(finalists), list[tuple[Architecture, Rung]]()
    for rung in ladder:
        placed = _placed(alive, rung, losses)
        ordered = [(network, rung) for network in placed] + [
            entry for entry in ordered if entry[0] not in placed
        ]
        alive = _go_on(alive, rung, ladder, losses)
    return ordered


def _go_on(
    alive: Iterable[Architecture], rung: Rung, ladder: Sequence[Rung], losses: Losses
) -> list[Architecture]:
    """Who is trained on the next rung; nobody after the last one."""
    following = [other.networks for other in ladder if other.number == rung.number + 1]
    return _placed(alive, rung, losses)[: sum(following)]


def _placed(alive: Iterable[Architecture], rung: Rung, losses: Losses) -> list[Architecture]:
    """Those with a loss on a rung, the lowest first; of equals, whoever was first before."""
    known = {network: losses.get((network.hash, rung.number)) for network in alive}
    found = {network: loss for network, loss in known.items() if loss is not None}
    return sorted(found, key=lambda network: found[network])
