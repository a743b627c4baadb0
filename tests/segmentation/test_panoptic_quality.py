"""COCO's panoptic quality, against the task's definition written down a second time, pixel by pixel."""

import itertools

import numpy as np
import pytest
import torch

from tests.helpers.panoptic_folder import real_sample
from trionet_nni.segmentation.panoptic.panoptic import Panoptic, Segment
from trionet_nni.segmentation.panoptic.quality import CocoPanopticQuality


def definition(pairs, things):
    """PQ, PQ of things and PQ of stuff of (prediction, truth) pairs.

    From Kirillov et al., section 4, and the rules of COCO's panoptic task. No pixel that is void in the
    truth counts for a union. A true crowd is neither matched nor missed. An unmatched prediction that lies
    for more than half on void and on crowds of its own class is not counted.
    """
    iou, tp, fp, fn = (dict.fromkeys(range(len(things)), 0) for _ in range(4))
    for prediction, truth in pairs:
        p_ids, t_ids = prediction.ids.numpy(), truth.ids.numpy()
        void = t_ids == 0
        matched_p, matched_t = set(), set()
        for p, t in itertools.product(prediction.segments, truth.segments):
            if p.label != t.label or t.crowd:
                continue
            p_mask, t_mask = p_ids == p.id, t_ids == t.id
            overlap = (p_mask & t_mask).sum() / ((p_mask | t_mask) & ~(void & p_mask)).sum()
            if overlap > 0.5:
                assert p.id not in matched_p and t.id not in matched_t
                matched_p.add(p.id)
                matched_t.add(t.id)
                iou[p.label] += overlap
                tp[p.label] += 1
        for t in truth.segments:
            if t.id not in matched_t and not t.crowd:
                fn[t.label] += 1
        for p in prediction.segments:
            crowds = [t.id for t in truth.segments if t.crowd and t.label == p.label]
            mask = p_ids == p.id
            forgiven = mask & (void | np.isin(t_ids, crowds))
            if p.id not in matched_p and not forgiven.sum() / mask.sum() > 0.5:
                fp[p.label] += 1
    quality = {
        label: iou[label] / (tp[label] + 0.5 * fp[label] + 0.5 * fn[label])
        for label in iou
        if tp[label] + fp[label] + fn[label]
    }

    def mean(labels):
        values = [quality[label] for label in labels if label in quality]
        return 100 * sum(values) / len(values) if values else 0.0

    stuff = [label for label in range(len(things)) if not things[label]]
    return mean(range(len(things))), mean(np.flatnonzero(things)), mean(stuff)


def measured(pairs, things):
    metric = CocoPanopticQuality(torch.as_tensor(things))
    for prediction, truth in pairs:
        metric.update(prediction, truth)
    result = metric.compute()
    return result["PQ"], result["PQ-things"], result["PQ-stuff"]


def rebuilt(ids, segments):
    """A map with the segments that still have pixels, crowds told as plain segments."""
    left = set(ids.unique().tolist())
    return Panoptic(ids, tuple(Segment(s.id, s.label) for s in segments if s.id in left))


def shifted(truth, random):
    down, right = random.integers(-12, 13, 2).tolist()
    return rebuilt(truth.ids.roll((down, right), (0, 1)), truth.segments)


def relabelled(truth, random):
    labels = [s.label for s in truth.segments]
    wrong = [label if random.random() < 0.7 else int(random.choice(labels)) for label in labels]
    return Panoptic(truth.ids, tuple(Segment(s.id, w) for s, w in zip(truth.segments, wrong, strict=True)))


def merged_and_dropped(truth, random):
    ids = truth.ids.clone()
    for segment in truth.segments:
        if random.random() < 0.3:
            ids[ids == segment.id] = int(random.choice([0, *(s.id for s in truth.segments)]))
    return rebuilt(ids, truth.segments)


def with_boxes(truth, random):
    """Boxes of any class anywhere: on void, in crowds, over several segments."""
    ids, segments = truth.ids.clone(), list(truth.segments)
    height, width = ids.shape
    for number in range(1, 25):
        top, left = int(random.integers(height - 5)), int(random.integers(width - 5))
        down, right = random.integers(5, 90, 2).tolist()
        ids[top : top + down, left : left + right] = number
        segments.append(Segment(number, int(random.choice([s.label for s in truth.segments]))))
    return rebuilt(ids, segments)


def cut_in_halves(truth, random):
    ids = truth.ids.clone()
    right = torch.arange(ids.shape[1]) > int(random.integers(ids.shape[1]))
    ids[(ids > 0) & right] ^= 1 << 23
    both = [Segment(s.id ^ flip, s.label) for s in truth.segments for flip in (0, 1 << 23)]
    return rebuilt(ids, both)


@pytest.mark.parametrize("seed", range(2))
@pytest.mark.parametrize("perturbed", [shifted, relabelled, merged_and_dropped, with_boxes, cut_in_halves])
def test_perturbed_copies_of_the_real_samples_score_as_the_definition_says(perturbed, seed):
    data = real_sample()
    random = np.random.default_rng(seed)
    truths = [data.read(index)[1] for index in range(2)]
    pairs = [(perturbed(truth, random), truth) for truth in truths]
    things = data.categories.things.numpy()
    expected = definition(pairs, things)
    assert 1 < expected[0] < 99
    assert measured(pairs, things) == pytest.approx(expected, abs=1e-6)


def test_the_real_samples_score_100_against_themselves():
    data = real_sample()
    pairs = [(truth, truth) for truth in (data.read(index)[1] for index in range(2))]
    assert measured(pairs, data.categories.things) == (100, 100, 100)


def strip(*parts):
    """One row of pixels: (id, count), …"""
    return torch.tensor([[number for number, count in parts for _ in range(count)]])


def result(prediction, truth):
    metric = CocoPanopticQuality(torch.tensor([True, False]))
    metric.update(prediction, truth)
    counts = (metric.true_positives, metric.false_positives, metric.false_negatives)
    return metric.iou[0].item(), *(count[0].item() for count in counts)


def test_void_leaves_the_union():
    truth = Panoptic(strip((1, 6), (0, 4)), (Segment(1, 0),))
    prediction = Panoptic(strip((9, 10)), (Segment(9, 0),))
    assert result(prediction, truth) == (1, 1, 0, 0)


def test_void_of_the_prediction_stays_in_the_union():
    truth = Panoptic(strip((1, 10)), (Segment(1, 0),))
    prediction = Panoptic(strip((9, 6), (0, 4)), (Segment(9, 0),))
    assert result(prediction, truth) == (pytest.approx(0.6), 1, 0, 0)


def test_half_is_no_match():
    truth = Panoptic(strip((1, 10)), (Segment(1, 0),))
    prediction = Panoptic(strip((9, 5), (0, 5)), (Segment(9, 0),))
    assert result(prediction, truth) == (0, 0, 1, 1)


@pytest.mark.parametrize(("crowd_label", "inside", "wrong"), [(0, 6, 0), (0, 5, 1), (1, 6, 1)])
def test_more_than_half_in_a_crowd_of_the_class_is_forgiven(crowd_label, inside, wrong):
    truth = Panoptic(strip((3, 6), (2, 20)), (Segment(3, crowd_label, crowd=True), Segment(2, 1)))
    prediction = Panoptic(strip((0, 6 - inside), (9, 10), (2, 10 + inside)), (Segment(9, 0), Segment(2, 1)))
    assert result(prediction, truth) == (0, 0, wrong, 0)


def test_void_and_crowd_are_forgiven_together_and_a_crowd_is_never_missed():
    truth = Panoptic(strip((3, 3), (0, 3), (2, 4)), (Segment(3, 0, crowd=True), Segment(2, 1)))
    prediction = Panoptic(strip((9, 10)), (Segment(9, 0),))
    assert result(prediction, truth) == (0, 0, 0, 0)
    nothing = Panoptic(strip((0, 10)), ())
    assert result(nothing, truth) == (0, 0, 0, 0)


def test_a_crowd_does_not_match_its_own_outline():
    truth = Panoptic(strip((3, 10)), (Segment(3, 0, crowd=True),))
    prediction = Panoptic(strip((3, 10)), (Segment(3, 0),))
    assert result(prediction, truth) == (0, 0, 0, 0)


def test_states_of_several_devices_add_up_and_reset_empties_them():
    truth = Panoptic(strip((1, 6), (2, 4)), (Segment(1, 0), Segment(2, 1)))
    half = Panoptic(strip((1, 3), (2, 7)), (Segment(1, 0), Segment(2, 1)))
    things = torch.tensor([True, False])
    whole, first, second = (CocoPanopticQuality(things) for _ in range(3))
    for metric, prediction in ((whole, truth), (whole, half), (first, truth), (second, half)):
        metric.update(prediction, truth)
    first._reduce_states({name: getattr(second, name) for name in second._defaults})
    assert first.compute() == whole.compute()
    whole.reset()
    assert whole.compute()["PQ"] == 0


def test_maps_that_do_not_fit_are_refused():
    truth = Panoptic(strip((1, 6)), (Segment(1, 0),))
    metric = CocoPanopticQuality(torch.tensor([True]))
    with pytest.raises(ValueError, match=r"found a map of \(1, 5\) pixels, allowed: \(1, 6\)"):
        metric.update(Panoptic(strip((1, 5)), (Segment(1, 0),)), truth)
    with pytest.raises(ValueError, match="id 4 of the map belongs to no segment"):
        metric.update(Panoptic(strip((4, 6)), (Segment(1, 0),)), truth)
