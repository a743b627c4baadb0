"""Who is a finalist, how often each is trained, who goes on, and in which order they end. No torch, no NNI.

A supernet ranks networks by weights that they share. Finalists are trained from scratch instead, all of
them for the same steps, and compared by their loss on images that they were not trained on. One training
each decides nothing: on the digits the loss of one network moves by 0.03 to 0.05 with the seed, and the
difference of two networks by 0.016 to 0.030 with the 250 images that it is measured on, as much as the
networks differ (docs/results.md). So this is sequential halving (Karnin, Koren and Somekh 2013; Jamieson
and Talwalkar 2016), whose resource is the number of trainings: on every rung all who are left are trained
once more, from scratch, with another seed and on another division of the same images
(`trionet_nni.data.folds`), and the better half by the mean over their trainings goes on.

The trainings of one rung share seed and images, so its losses are paired. Means are compared among networks
that were trained equally often. Halving by length (a quarter of the steps, half of them, all) was tried
before and is gone: a short training tells how fast a network learns, and the best one in the end fell out.

An experiment runs it as NNI trials, `trionet_nni.finalists.in_process` here and now. Both keep the losses
they have by (hash, number of the rung) and ask `waiting` what is next; so nothing else has to be saved.
"""

from __future__ import annotations

import statistics
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from trionet_nni.architecture.architecture import Architecture

# Validation loss by (hash, number of the rung); None: no result can be had (its trials failed).
Losses = Mapping[tuple[str, int], float | None]


@dataclass(frozen=True)
class Rung:
    """One training of everybody who is left.

    Attributes:
        number: from 1; it also says which seed and which division of the images.
        networks: how many are trained on it, at most.
        steps: optimizer steps of each training, from scratch.
    """

    number: int
    networks: int
    steps: int


@dataclass(frozen=True)
class Training:
    """A network and the rung on which it has to be trained."""

    architecture: Architecture
    rung: Rung

    @property
    def key(self) -> tuple[str, int]:
        """How its loss is called in `Losses`."""
        return self.architecture.hash, self.rung.number


def rungs(count: int, steps: int, repeats: int = 1, pilots: int = 0) -> tuple[Rung, ...]:
    """The ladder: all finalists on the first rung, half as many of the best as on a rung on the next.

    Six networks and three repeats: six are trained once, three of them twice, two of these three times.
    Pilots (`trionet_nni.finalists.pilots`) are on the first rung too; the next is as if there were none.

    Args:
        count: `search.finalists.count`, at least 2.
        steps: `search.finalists.steps`, of each training.
        repeats: `search.finalists.repeats`, trainings of the two that are left in the end.
        pilots: `search.finalists.pilots`.
    """
    networks = [count]
    while len(networks) < repeats:
        networks.append(max(2, half(networks[-1])))
    networks[0] += pilots
    return tuple(Rung(number, size, steps) for number, size in enumerate(networks, 1))


def half(count: int) -> int:
    """Of so many networks, how many go on: the better half, rounded up."""
    return -(-count // 2)


def trials(ladder: Sequence[Rung], budgets: int = 1) -> int:
    """How many trainings there are at most; those of a network that two budgets share count once."""
    return budgets * sum(rung.networks for rung in ladder)


def training_steps(ladder: Sequence[Rung], budgets: int = 1) -> int:
    """Optimizer steps of all finalists together, at most."""
    return budgets * sum(rung.networks * rung.steps for rung in ladder)


def steps_in_turn(ladder: Sequence[Rung], budgets: int, workers: int) -> int:
    """Optimizer steps that follow one another where so many trainings run at the same time.

    Nobody is on a rung before the one below is complete: the last trainings of each may leave workers idle.
    """
    return sum(-(-budgets * rung.networks // workers) * rung.steps for rung in ladder)


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
    chosen = best_alone(ranked)[: count - 1]
    layouts = {network.operators for network in chosen}
    for network in ranked:
        if len(chosen) < count and network.operators not in layouts:
            chosen.append(network)
            layouts.add(network.operators)
    chosen += [network for network in ranked if network not in chosen][: count - len(chosen)]
    return tuple(network for network in ranked if network in chosen)


def best_alone(ranked: Iterable[Architecture]) -> list[Architecture]:
    """Of each operator the best network all of whose blocks have it, the best of these first."""
    found: dict[str, Architecture] = {}
    for network in ranked:
        if stands_alone(network):
            found.setdefault(next(network.blocks())[1].operator, network)
    return list(found.values())


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

    Whoever came further is before who did not; of those on one rung, the lower mean of all losses up to it
    is. Losses that are not known count as if they could not be had: before the end the order is a
    preliminary one.
    """
    alive, ordered = list(finalists), list[tuple[Architecture, Rung]]()
    for rung in ladder:
        placed = _placed(alive, rung, losses)
        ordered = [(network, rung) for network in placed] + [
            entry for entry in ordered if entry[0] not in placed
        ]
        alive = _go_on(alive, rung, ladder, losses)
    return ordered


def mean_loss(network: Architecture, rung: Rung, losses: Losses) -> float | None:
    """Mean over a network's trainings up to a rung; None where one of them is missing."""
    found = [losses.get((network.hash, number)) for number in range(1, rung.number + 1)]
    known = [loss for loss in found if loss is not None]
    return statistics.fmean(known) if len(known) == len(found) else None


def _go_on(
    alive: Iterable[Architecture], rung: Rung, ladder: Sequence[Rung], losses: Losses
) -> list[Architecture]:
    """Who is trained on the next rung; nobody after the last one."""
    following = [other.networks for other in ladder if other.number == rung.number + 1]
    return _placed(alive, rung, losses)[: sum(following)]


def _placed(alive: Iterable[Architecture], rung: Rung, losses: Losses) -> list[Architecture]:
    """Those with a loss on a rung, the lowest mean first; of equals, whoever was first before."""
    known = {network: mean_loss(network, rung, losses) for network in alive}
    found = {network: loss for network, loss in known.items() if loss is not None}
    return sorted(found, key=lambda network: found[network])
