"""Accuracies that the paper prints, copied by hand from Pi et al. 2021, in percent. FLOPs in 10⁹.

They stand in columns of their own beside what is measured here, and nothing is computed from them.
"""

from dataclasses import dataclass

TABLE2 = {  # FLOPs, top-1 on ImageNet
    "ResNet-26": (4.7, 74.5),
    "ResNet-38": (6.5, 76.2),
    "ResNet-50": (8.2, 76.9),
    "Local-26": (4.5, 75.8),
    "Local-38": (5.7, 77.1),
    "Local-50": (7.0, 77.4),
    "Axial-26": (3.5, 75.5),
    "Axial-38": (4.4, 77.1),
    "Axial-50": (5.6, 77.8),
    "TrioNet-A": (2.0, 74.8),
    "TrioNet-B": (3.0, 75.9),
    "TrioNet-C": (4.0, 76.8),
    "TrioNet-D": (4.7, 77.1),
}

TABLE3 = {
    "random": (4.8, 74.7),
    "w/o sandwich": (3.6, 74.9),
    "w/o HS": (3.5, 75.6),
    "w/o MHS": (5.1, 75.4),
    "ours": (5.2, 76.9),
    "ours, 3 × the epochs": (4.7, 77.1),
}

TABLE4 = {  # ResNet-18, Local-26, Axial-26, TrioNet
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
