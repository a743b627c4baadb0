"""What lies outside the map for local attention: zero vectors, or nothing."""

from __future__ import annotations

from typing import Literal

Border = Literal["zero", "mask"]
