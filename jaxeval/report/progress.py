"""Progress of a long run: a bar with rate and time left on a terminal, plain lines elsewhere."""

import threading
import time

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TaskID, TextColumn, TimeRemainingColumn


def progress_for(console: Console) -> "BarProgress | LineProgress":
    """Bars where the console is a terminal, lines where it is a file or a pipe."""
    return BarProgress(console) if console.is_terminal else LineProgress(console)


class BarProgress:
    """A bar for each data set, drawn while it is read, with a line left behind."""

    def __init__(self, console: Console):
        self._console = console
        self._bars: Progress | None = None
        self._task: TaskID | None = None
        self._tally = _Tally("", 0, "images")

    def begin(self, name: str, total: int, unit: str = "images") -> None:
        """Draws the bar of a data set."""
        self._tally = _Tally(name, total, unit)
        self._bars = Progress(
            TextColumn("{task.description}"),
            BarColumn(bar_width=24),
            MofNCompleteColumn(),
            TextColumn("{task.fields[rate]}"),
            TimeRemainingColumn(),
            console=self._console,
            transient=True,
        )
        self._task = self._bars.add_task(name, total=total, rate="")
        self._bars.start()

    def advance(self, count: int) -> None:
        """Moves the bar of the data set that is being read."""
        self._tally.done += count
        if self._bars is not None and self._task is not None:
            self._bars.update(self._task, advance=count, rate=self._tally.rate())

    def doing(self, text: str) -> None:
        """Says beside the bar's name what is being done just now."""
        if self._bars is not None and self._task is not None:
            name = f"{self._tally.name}: {text}" if text else self._tally.name
            self._bars.update(self._task, description=name, refresh=True)

    def end(self, note: str = "") -> None:
        """Takes the bar away and leaves one line in its place."""
        self.close()
        self._console.print(self._tally.summary(note), highlight=False, soft_wrap=True, markup=False)

    def close(self) -> None:
        """Gives the terminal back, also after an error."""
        if self._bars is not None:
            self._bars.stop()
            self._bars = None


class LineProgress:
    """A line when a data set is begun, every ten seconds, and when it is done."""

    _EVERY = 10.0
    _LONG = 2.0  # seconds that something takes before a line says what it is

    def __init__(self, console: Console):
        self._console = console
        self._tally = _Tally("", 0, "images")
        self._spoken = 0.0
        self._waiting: threading.Timer | None = None

    def begin(self, name: str, total: int, unit: str = "images") -> None:
        """Prints the line that a data set is begun with."""
        self._tally = _Tally(name, total, unit)
        self._spoken = time.monotonic()

    def advance(self, count: int) -> None:
        """Speaks when it has been silent for a while."""
        self._tally.done += count
        if time.monotonic() - self._spoken >= self._EVERY:
            self._spoken = time.monotonic()
            self._say(
                f"{self._tally.name}: {self._tally.done:,} of {self._tally.total:,}, {self._tally.rate()}, "
                f"{self._tally.left()} left"
            )

    def doing(self, text: str) -> None:
        """Says what is being done just now, if it goes on for a while."""
        if self._waiting is not None:
            self._waiting.cancel()
            self._waiting = None
        if text:
            self._waiting = threading.Timer(self._LONG, self._say, [f"{self._tally.name}: {text}"])
            self._waiting.daemon = True
            self._waiting.start()

    def end(self, note: str = "") -> None:
        """Prints the line that a data set is ended with: the count and the rate."""
        self._say(self._tally.summary(note))

    def close(self) -> None:
        """Says nothing more; lines leave the terminal as it was."""
        self.doing("")

    def _say(self, line: str) -> None:
        self._console.print(line, highlight=False, soft_wrap=True, markup=False)


class _Tally:
    """How much of a data set is done, and how fast."""

    def __init__(self, name: str, total: int, unit: str):
        self.name = name
        self.total = total
        self.unit = unit
        self.done = 0
        self._begun = time.monotonic()

    def _rate(self) -> float:
        return self.done / max(time.monotonic() - self._begun, 1e-9)

    def rate(self) -> str:
        rate = self._rate()
        return f"{rate:,.0f} {self.unit}/s" if rate >= 10 else f"{rate:.1f} {self.unit}/s"

    def left(self) -> str:
        seconds = (self.total - self.done) / max(self._rate(), 1e-9)
        return (
            f"{seconds / 3600:.1f} h"
            if seconds >= 3600
            else f"{seconds / 60:.0f} min"
            if seconds >= 90
            else f"{seconds:.0f} s"
        )

    def summary(self, note: str) -> str:
        if self.done == 0:
            return f"{self.name}: {self.total:,} {self.unit}" + (f", {note}" if note else "")
        seconds = time.monotonic() - self._begun
        rate = f", {self.rate()}" if self.unit == "images" else ""
        return f"{self.name}: {self.done:,} {self.unit} in {seconds:,.1f} s{rate}" + (f", {note}" if note else "")
