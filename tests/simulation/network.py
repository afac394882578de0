"""What lies between a till and a server: requests and answers that are lost, late, doubled, or cut in the middle."""

import json

from simulation.world import MILLISECOND, SECOND


class Call:
    """One request of a till, as it left, and its wait for an answer.

    Args:
        till: asks.
        request: endpoint, fields, header key.
    """

    def __init__(self, till, request):
        self.till = till
        self.request = request
        self.endpoint, self.fields, self.key = request
        self.content = json.dumps(self.fields).encode()
        self.over = False
        self.body = None
        """Of the answer that the till has read whole."""

    def end(self, body=None):
        """The till has its answer, or knows that it gets none."""
        if not self.over:
            self.over, self.body = True, body
            self.till.learns(self)


class Copy:
    """One arrival of a call at one process: an intermediary may have doubled the request."""

    def __init__(self, network, call, *, read):
        self._network = network
        self._world = network.story.world
        self._judge = network.story.judge
        self.call = call
        self.read = read
        self.process = None
        self.explained = None
        """What the judge's ledger has to say, once a process has settled it."""
        self.open_until = None
        self.answered_at_once = self.met_full_queue = self.broken = False
        self.pending = None
        """A hand-over that is journalled, and of which the process has not been told what became."""

    @property
    def closed(self):
        """Nobody is there to read."""
        return self.broken or (self.read and self.call.over)

    def arrived(self, process):
        self.process = process
        self.arrived_at, self.troubles = self._world.now, process.troubles

    def breaks(self):
        """The till sees its connection end without a whole answer."""
        self.broken = True
        if self.read:
            self._world.after(self._network.delay(), self.call.end)

    def take(self, reply):
        """The process gives its answer to the socket: what follows is what the socket does."""
        process = self.process
        if not process.alive:
            return
        there = not self.closed
        if there and reply.handover is not None:
            reply = reply.handover.begin() or reply
        self.body = json.loads(reply.content)
        self.status, self.replayed = int(reply.status), b"replayed" in reply.headers
        self._judge.answered(self)
        if there:
            self.pending = reply.handover
            self._goes_out()

    def _goes_out(self):
        process = self.process
        approval = self.pending is not None
        hits = self._network.hits
        if approval and hits("dies_at_hand_over"):
            if process.chance.random() < 0.5:
                self._all_out()
                self.pending = None
            process.die()
        elif hits("answer_cut"):
            self._judge.cut(self)
            if process.chance.random() < 0.5:
                self._later(3 * SECOND, self._tell, False)
            else:
                self._tell(done=False)
            self.breaks()
        elif hits("written_slowly"):
            self._later(9 * SECOND, self._out_at_last)
        else:
            self._all_out()
            self._tell(done=True)
            if approval and hits("stalls_after_hand_over"):
                process.stall()

    def _later(self, longest, call, *args):
        process = self.process
        self._world.after(process.chance.randrange(longest), process.act, call, *args)

    def _out_at_last(self):
        if self.closed:
            self._tell(done=False)
        else:
            self._all_out()
            self._tell(done=True)

    def _tell(self, done):
        handover, self.pending = self.pending, None
        if handover is not None:
            (handover.done if done else handover.failed)()

    def _all_out(self):
        self._judge.sent(self)
        network = self._network
        if not self.read or network.hits("answer_lost"):
            return
        late = network.chance.randrange(12 * SECOND) if network.hits("answer_late") else network.delay()
        self._world.after(late, self._arrives)

    def _arrives(self):
        if not self.call.over:
            self._judge.received(self)
            self.call.end(self.body)


class Network:
    def __init__(self, story):
        self.story = story
        self.chance = story.world.chance("network")
        self.calls = 0
        self.copies = []
        """In flight, or held by a process that has not answered."""

    def delay(self):
        return self.chance.randrange(MILLISECOND // 2, 20 * MILLISECOND)

    def hits(self, fault):
        rate = getattr(self.story.rates, fault)
        if rate and self.chance.random() < rate:
            self.story.world.note(fault)
            return True
        return False

    def send(self, call):
        """Send a request to one of the processes, whichever the till reaches."""
        self.calls += 1
        world = self.story.world
        world.note("till", call.till.name, "asks", call.endpoint, call.key, call.content.decode())
        world.after(self.story.shape.patience_s * SECOND, call.end)
        if self.hits("request_doubled"):
            self._route(Copy(self, call, read=False))
        if not self.hits("request_lost"):
            self._route(Copy(self, call, read=True))

    def _route(self, copy):
        delay = self.chance.randrange(12 * SECOND) if self.hits("answer_late") else self.delay()
        self.story.world.after(delay, self._reaches, copy)

    def _reaches(self, copy):
        there = [process for process in self.story.processes if process.accepts]
        if not there or copy.closed:
            copy.breaks()
            return
        process = self.chance.choice(there)
        self.copies = [item for item in self.copies if item.process.alive and (item.pending or not item.closed)]
        copy.process = process
        self.copies.append(copy)
        process.accept(copy)

    def lost_with(self, process):
        """A process is gone: so are its connections, and nobody will know what became of a pending hand-over."""
        for copy in self.copies:
            if copy.process is process:
                if copy.pending:
                    self.story.judge.perhaps_sent(copy)
                    copy.pending = None
                copy.breaks()
