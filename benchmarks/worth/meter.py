"""CPU seconds of a unit, also of one that was killed and went on."""

from __future__ import annotations

import json
import threading
import time
from pathlib import Path
from types import TracebackType

from trionet_nni.files.atomic import write_json

_EVERY_SECONDS = 5


class Meter:
    """Counts this process's CPU time into a file from entering to leaving.

    What a kill made it compute twice counts twice: it was spent.

    Attributes:
        starts: how often the work was begun or taken up again.
    """

    def __init__(self, file: Path) -> None:
        self.file = file
        self.earlier, self.starts = 0.0, 1
        if file.exists():
            found = json.loads(file.read_text(encoding="utf-8"))
            self.earlier, self.starts = float(found["seconds"]), int(found["starts"]) + 1
        self._over = threading.Event()

    @property
    def seconds(self) -> float:
        """CPU seconds so far, of all starts."""
        return self.earlier + time.process_time() - self._begin

    def __enter__(self) -> Meter:
        self._begin = time.process_time()
        self._write()
        self._thread = threading.Thread(target=self._keep_writing, daemon=True)
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._over.set()
        self._thread.join()
        self._write()

    def _keep_writing(self) -> None:
        while not self._over.wait(_EVERY_SECONDS):
            self._write()

    def _write(self) -> None:
        write_json(self.file, {"seconds": round(self.seconds, 2), "starts": self.starts})
