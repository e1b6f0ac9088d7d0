"""A frame on its way to the server."""

from .tally import Tally


class Entry:
    """A frame on its way."""

    __slots__ = (
        "acked",
        "alone",
        "body",
        "due",
        "first",
        "gone",
        "in_flight",
        "last",
        "number",
        "row",
        "size",
        "tally",
        "tries",
    )

    def __init__(
        self,
        first: int,
        last: int,
        tally: Tally,
        size: int,
        *,
        body: bytes | None = None,
        row: int | None = None,
        due: float = 0.0,
    ) -> None:
        """Take times in ms since 1970; ``due`` is when it goes to the disk."""
        self.first = first
        self.last = last
        self.tally = tally
        self.size = size
        self.body = body
        """``None``: on the disk."""
        self.row = row
        """Its id on the disk, if it is there."""
        self.due = due
        self.acked = 0.0
        """When the server took it, by the clock of the loop."""
        self.tries = 0
        """How often the server took it and had lost it later."""
        self.number = 0
        """Place in the order of time; between two neighbours nothing else was sampled."""
        self.alone = False
        """Whether something else was sampled at the same times, as the clock was set back."""
        self.in_flight = False
        """Whether its body is needed: it is being sent."""
        self.gone = False

    @property
    def samples(self) -> int:
        """How many samples it holds."""
        return self.tally.samples
