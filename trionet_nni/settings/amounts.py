"""How many images: a number, a share of those to train on, or by a rule that grows with them."""

from __future__ import annotations

Amount = int | float | None  # a number; a share, between 0 and 1; None: by the rule below

# One standard error of an accuracy measured on n images is √(p (1 − p) ÷ n), at most 1 point from here on.
_SEARCH_ENOUGH = 2_500
_SEARCH_SHARE = 1 / 8  # what scores candidates trains no supernet: at most this share of the images
_SEARCH_FEW, _SEARCH_FEW_SHARE = 500, 1 / 4  # but of small data so many, or at most this share
# BN statistics of 500 and of 2,000 images gave the same ranking (docs/paper-choices.md).
_RECALIBRATION_FEWEST, _RECALIBRATION_SHARE, _RECALIBRATION_ENOUGH = 256, 0.064, 1_024


def as_amount(value: object, least: int) -> Amount:
    """A number or a share as a configuration has it; 200.0 and "200" are the number 200.

    Args:
        least: smallest number that is of use.

    Raises:
        ValueError: it is neither.
    """
    if value is None:
        return None
    number = _number(value)
    if number is not None and number >= least and number == int(number):
        return value if isinstance(value, int) else int(number)
    if number is not None and 0 < number < 1:
        return number
    raise ValueError(f"a number of images from {least} on, or a share of them between 0 and 1")


def _number(value: object) -> float | None:
    """What a value is worth; None for what is no finite number."""
    if isinstance(value, bool) or not isinstance(value, int | float | str):
        return None
    try:
        number = float(value)
    except (ValueError, OverflowError):
        return None
    return number if abs(number) < 1e18 else None  # also of NaN and infinity


def amount_of(amount: Amount, pool: int, least: int) -> int | None:
    """A named amount as a number of images; None where the rule says it.

    Args:
        pool: images that may be trained on.
        least: a share gives no fewer.
    """
    if amount is None or isinstance(amount, int):
        return amount
    return max(least, round(amount * pool))


def search_images(pool: int) -> int:
    """How many of the images to train on score candidates where nobody says it.

    An eighth, at most 2,500; of small data 500 or a quarter, whichever is less.
    """
    few = min(_SEARCH_FEW, int(_SEARCH_FEW_SHARE * pool))
    return max(1, few, min(_SEARCH_ENOUGH, int(_SEARCH_SHARE * pool)))


def recalibration_images(pool: int) -> int:
    """How many images BN statistics are measured on where nobody says it: 256, or of much data 6.4 %, at
    most 1,024.
    """
    share = min(_RECALIBRATION_ENOUGH, round(_RECALIBRATION_SHARE * pool))
    return max(_RECALIBRATION_FEWEST, share)


def amount_text(amount: Amount, rule: str = "as many as fit the data of the") -> str:
    """An amount as a sentence says it, in front of the word "images"."""
    if amount is None:
        return rule
    return f"{amount:,}" if isinstance(amount, int) else f"{100 * amount:g} % of the"
