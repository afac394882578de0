"""The world of one story: its time, its chance, what is going to happen, and a trace of what did. No thread, no sleep.

Time is whole microseconds since the story began. Everything that happens is an event of one heap, so one seed gives
one order. What blocks a thread in the product (a slow commit, a sweeper that waits for the lane) is a nested `pump`
here: the rest of the world goes on inside it.
"""

import datetime as dt
import hashlib
import random
from heapq import heappop, heappush
from itertools import count

SECOND = 1_000_000
MILLISECOND = 1_000


class Event:
    """Something that is going to happen; a timer of the product's may take it back."""

    __slots__ = ("args", "call", "cancelled", "when")

    def __init__(self, when, call, args):
        self.when = when
        self.call = call
        self.args = args
        self.cancelled = False

    def cancel(self):
        self.cancelled = True


class World:
    """
    Args:
        seed: of everything that is drawn.
        begins: what the servers' clock shows at first.
        tell: takes each line of the trace; None where only its hash is wanted.
    """

    def __init__(self, seed, begins, tell=None):
        self.seed = seed
        self.now = 0
        self.depth = 0
        self._clock_at = begins
        self._clock_set = 0
        self.latest_shown = begins
        self._heap = []
        self._order = count()
        self._tell = tell
        self._trace = hashlib.sha256()

    # --- chance ---

    def chance(self, of):
        """A stream of chance of its own, so that one part's draws do not move another's."""
        return random.Random(f"{self.seed}/{of}")

    # --- time ---

    def clock(self):
        """The servers' clock, which may be set; `now` never goes back."""
        shown = self._clock_at + dt.timedelta(microseconds=self.now - self._clock_set)
        self.latest_shown = max(self.latest_shown, shown)
        return shown

    def ticks(self):
        """Seconds that pass whatever the clock is set to."""
        return self.now / 1_000_000

    def set_clock(self, to):
        self.clock()
        self.note("clock", to.isoformat())
        self._clock_at, self._clock_set = to, self.now

    # --- events ---

    def after(self, delay, call, *args):
        event = Event(self.now + max(0, delay), call, args)
        heappush(self._heap, (event.when, next(self._order), event))
        return event

    def pump(self, until, done=lambda: False):
        """Let happen what happens until a time, or until `done`."""
        self.depth += 1
        heap = self._heap
        try:
            while not done():
                if not heap or heap[0][0] > until:
                    self.now = max(self.now, until)
                    return
                when, _, event = heappop(heap)
                if not event.cancelled:
                    self.now = max(self.now, when)
                    event.call(*event.args)
        finally:
            self.depth -= 1

    # --- the trace ---

    def note(self, *words):
        line = f"{self.now:>12} {' '.join(map(str, words))}"
        self._trace.update(line.encode())
        if self._tell is not None:
            self._tell(line)

    def trace_hash(self):
        return self._trace.hexdigest()
