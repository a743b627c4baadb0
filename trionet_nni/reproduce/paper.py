"""What the paper prints: parameters, FLOPs, sizes of spaces, percentages of them, and accuracies.

Copied by hand from Pi et al. 2021. M = 10⁶ parameters, B = 10⁹ FLOPs, accuracies in percent, which
stand in columns of their own beside what is measured here.
"""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Printed:
    """A row of Table 2.

    Attributes:
        params: in M.
        flops: in B.
        accuracy: top-1 on ImageNet; None for networks that are not trained again here.
    """

    params: float
    flops: float
    accuracy: float | None = None


TABLE1_CHOICES = {"conv": 6, "local": 48, "axial": 16}
ARCHITECTURES = 7.2e25  # section 3.2
OFA_ARCHITECTURES = 2e19
SPACE_RATIO = 3.6e6

TABLE2 = {
    "resnet-26": Printed(13.7, 4.7, 74.5),
    "resnet-38": Printed(19.6, 6.5, 76.2),
    "resnet-50": Printed(25.6, 8.2, 76.9),
    "local-26": Printed(10.3, 4.5, 75.8),
    "local-38": Printed(14.1, 5.7, 77.1),
    "local-50": Printed(18.0, 7.0, 77.4),
    "axial-26": Printed(5.9, 3.5, 75.5),
    "axial-38": Printed(8.7, 4.4, 77.1),
    "axial-50": Printed(12.4, 5.6, 77.8),
}
TABLE2_SEARCHED = {
    "TrioNet-A": Printed(5.1, 2.0, 74.8),
    "TrioNet-B": Printed(9.4, 3.0, 75.9),
    "TrioNet-C": Printed(10.6, 4.0, 76.8),
    "TrioNet-D": Printed(10.9, 4.7, 77.1),
}
TABLE2_OFA = {
    "OFA-A": Printed(9.6, 2.4),
    "OFA-B": Printed(14.4, 3.4),
    "OFA-C": Printed(19.2, 4.6),
    "OFA-D": Printed(20.7, 4.8),
}

TABLE3 = {  # FLOPs, top-1 on ImageNet
    "random": (4.8, 74.7),
    "w/o sandwich": (3.6, 74.9),
    "w/o HS": (3.5, 75.6),
    "w/o MHS": (5.1, 75.4),
    "ours": (5.2, 76.9),
    "ours, 3 × the epochs": (4.7, 77.1),
}

TABLE4_CLASSES = {
    "Stanford Cars": 196,
    "FGVC Aircraft": 100,
    "CUB": 200,
    "Caltech-101": 101,
    "102 Flowers": 102,
}
TABLE4 = {"resnet-18": 3.6, "local-26": 4.5, "axial-26": 3.5}  # B, the same for all five data sets
TABLE4_SEARCHED = {
    "Stanford Cars": 3.7,
    "FGVC Aircraft": 2.9,
    "CUB": 2.4,
    "Caltech-101": 2.4,
    "102 Flowers": 3.6,
}

TABLE4_ACCURACIES = {  # ResNet-18, Local-26, Axial-26, TrioNet
    "Stanford Cars": (86.8, 84.4, 78.2, 88.5),
    "FGVC Aircraft": (79.8, 82.4, 74.4, 82.1),
    "CUB": (69.3, 65.2, 58.9, 68.4),
    "Caltech-101": (75.3, 71.4, 66.1, 72.2),
    "102 Flowers": (91.4, 87.7, 81.9, 90.3),
}


@dataclass(frozen=True)
class Table5Column:
    """A data set of Table 5.

    Attributes:
        survival: of ResNet-18, Local-26 and Axial-26, with survival probabilities 1, 0.8 and 0.33.
        trionet: with the supernet's weights.
    """

    survival: tuple[tuple[float, float, float], ...]
    trionet: float


TABLE5 = {
    "Stanford Cars": Table5Column(((86.8, 85.7, 81.5), (84.4, 83.5, 82.7), (78.2, 81.7, 79.7)), 87.7),
    "FGVC Aircraft": Table5Column(((79.8, 78.6, 73.8), (82.4, 75.8, 72.9), (74.4, 74.0, 74.6)), 80.5),
}

TABLE6_SEMANTIC = {"ResNet-50": 66.4, "Axial-26": 33.9, "TrioNet-B": 29.6}  # B at 512 × 512
TABLE6_PANOPTIC = {"ResNet-50": 97.1, "Axial-26": 60.4, "TrioNet-B": 52.3}  # B at 640 × 640


@dataclass(frozen=True)
class Saving:
    """A sentence "… with `percent` % fewer FLOPs": `smaller` against `larger`, both as printed (B)."""

    where: str
    what: str
    percent: float
    smaller: float
    larger: float


SAVINGS = (
    Saving("section 4.1", "TrioNet-A against ResNet-26", 57.4, 2.0, 4.7),
    Saving("section 4.1", "TrioNet-B against Local-26", 33.3, 3.0, 4.5),
    Saving("section 4.1", "TrioNet-B against Axial-26", 14.3, 3.0, 3.5),
    Saving("section 4.1", "TrioNet-A against OFA-A", 16.7, 2.0, 2.4),
    Saving("section 4.1", "TrioNet-B against OFA-B", 11.8, 3.0, 3.4),
    Saving("section 4.1", "TrioNet-C against OFA-C", 13.0, 4.0, 4.6),
    Saving("section 4.1", "TrioNet-D against OFA-D", 2.1, 4.7, 4.8),
    Saving("section 4.3", "TrioNet against ResNet-18, Table 4's averages", 20.0, 3.0, 3.6),
    Saving("section 4.4", "TrioNet-B against Axial-26, semantic", 12.7, 29.6, 33.9),
    Saving("section 4.4", "TrioNet-B against Axial-26, panoptic", 13.4, 52.3, 60.4),
)
