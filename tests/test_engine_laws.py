"""The laws of a client, through any number of cuts, lost sessions and servers that keep silent."""

from typing import Final

from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule

from engine_stage import Stage
from mqttproto.codec.block import EMPTY
from mqttproto.codec.publish import Publish
from mqttproto.engine.inbox import Inbox
from mqttproto.engine.publishing import PublishHandle
from mqttproto.engine.requests import SubscribeRequest, UnsubscribeRequest
from mqttproto.errors import (
    ClientClosedError,
    DeliveryUncertainError,
    QueueFullError,
)
from mqttproto.protocol import Qos0, QueueLimits

FILTERS: Final = ("in/a", "in/+", "in/#")


class Laws(RuleBasedStateMachine):
    """One client, and everything that may happen to it.

    Messages that it publishes go to ``out/``, each with a number. What comes to it goes to ``in/``.
    """

    @initialize(
        version=st.sampled_from([3, 4, 5, 5]),
        expiry=st.sampled_from([None, None, 0]),
        clean=st.sampled_from([None, False]),
        window=st.sampled_from([1, 3, 65_535]),
        room=st.sampled_from([2, 10_000]),
        receive=st.sampled_from([2, 65_535]),
        manual=st.booleans(),
        keep_alive=st.sampled_from([0, 10]),
    )
    def begin(
        self,
        version: int,
        expiry: int | None,
        clean: bool | None,
        window: int,
        room: int,
        receive: int,
        manual: bool,
        keep_alive: int,
    ) -> None:
        self.manual = manual
        self.keeps_sessions = expiry is None if version == 5 else clean is False
        self.stage = Stage(
            client_id="c",
            mqtt_version=version,
            session_expiry_interval=expiry,
            clean_start=clean,
            max_in_flight=window,
            queue_limits=QueueLimits(room, qos_0=Qos0.QUEUE),
            receive_maximum=receive,
            manual_acknowledgement=manual,
            keep_alive=keep_alive,
            ping_timeout=5.0,
            connect_timeout=5.0,
            retry_first=True,
        ).start()
        self.handles: list[tuple[int, int, PublishHandle]] = []
        self.requests: list[SubscribeRequest | UnsubscribeRequest] = []
        self.boxes: list[tuple[str, Inbox]] = []
        self.numbers = 0
        self.losses = 0
        self.sent_in: dict[str, int] = {}
        self.taken: list[str] = []

    # What the network and the server do.

    @rule(silent=st.booleans())
    def cut(self, silent: bool) -> None:
        self.stage.silent = silent
        self.stage.cut()
        self.stage.settle()

    @rule()
    def lose(self) -> None:
        self.losses += 1
        self.stage.lose_sessions()
        self.stage.settle()

    @rule(down=st.booleans())
    def reach(self, down: bool) -> None:
        self.stage.down = {"one"} if down else set()

    @rule(silent=st.booleans())
    def swallow(self, silent: bool) -> None:
        self.stage.silent = silent
        if not silent and self.stage.server is not None:
            # What was swallowed is lost, and so is the connection.
            self.stage.cut()

    @rule(hold=st.booleans())
    def answer(self, hold: bool) -> None:
        if hold:
            self.stage.hold()
        else:
            self.stage.release()

    @rule(seconds=st.sampled_from([0.1, 1.0, 7.0, 30.0]))
    def wait(self, seconds: float) -> None:
        self.stage.pass_time(seconds)

    @rule(qos=st.integers(0, 2))
    def say(self, qos: int) -> None:
        """Somebody else publishes to the client's subscriptions."""
        self.numbers += 1
        topic, payload = "in/a", b"%d" % self.numbers
        self.stage.hub._route(Publish(topic, payload, qos), "somebody", self.stage.time)
        self.sent_in[payload.decode()] = qos
        self.stage.settle()

    @rule(block=st.booleans())
    def crowd(self, block: bool) -> None:
        self.stage.engine.block() if block else self.stage.engine.unblock()

    # What the application does.

    @rule(qos=st.integers(0, 2), settle=st.booleans())
    def publish(self, qos: int, settle: bool) -> None:
        self.numbers += 1
        stage = self.stage
        payload = b"%d" % self.numbers
        try:
            handle = stage.engine.publish("out/a", payload, qos, False, EMPTY, stage.time)
        except QueueFullError:
            return
        if handle is not None:
            self.handles.append((self.numbers, qos, handle))
        if settle:
            stage.settle()

    @rule(topic_filter=st.sampled_from(FILTERS), own=st.booleans())
    def subscribe(self, topic_filter: str, own: bool) -> None:
        box = self.stage.engine.open_inbox(None) if own else None
        self.requests.append(self.stage.subscribe(topic_filter, qos=2, inbox=box))
        if box is not None:
            self.boxes.append((topic_filter, box))

    @precondition(lambda self: self.boxes)
    @rule(data=st.data())
    def leave(self, data: st.DataObject) -> None:
        topic_filter, box = self.boxes.pop(data.draw(st.integers(0, len(self.boxes) - 1)))
        request = self.stage.engine.close_inbox(box, [topic_filter], self.stage.time)
        if request is not None:
            self.requests.append(request)
        assert len(box) == 0

    @rule(topic_filter=st.sampled_from(FILTERS))
    def unsubscribe(self, topic_filter: str) -> None:
        engine = self.stage.engine
        self.requests.append(engine.unsubscribe([topic_filter], EMPTY, self.stage.time))
        self.stage.settle()

    @rule(most=st.integers(1, 3))
    def take(self, most: int) -> None:
        stage = self.stage
        for box in (stage.engine.general, *(each for _, each in self.boxes)):
            for _ in range(most):
                self.take_one(box)

    def take_one(self, box: Inbox) -> bool:
        stage = self.stage
        message = stage.take(box)
        if message is None:
            return False
        if box is stage.engine.general:
            self.taken.append(message.payload.decode())
        receipt = message.receipt
        if self.manual and receipt is not None and not receipt.decided:
            stage.engine.acknowledge(message, now=stage.time)
            stage.settle()
        return True

    # The laws.

    @invariant()
    def nothing_has_crashed(self) -> None:
        if hasattr(self, "stage"):
            assert self.stage.crash is None
            assert not self.stage.engine.closed

    def teardown(self) -> None:
        if not hasattr(self, "stage"):
            return
        stage = self.stage
        if stage.crash is not None or stage.engine.closed:
            return
        # A healthy link, and an application that takes what comes.
        stage.down, stage.silent = set(), False
        stage.release()
        stage.cut()
        for _ in range(8):
            stage.pass_time(30)
            stage.release()
            for box in (stage.engine.general, *(each for _, each in self.boxes)):
                while self.take_one(box):
                    pass
        assert stage.online
        self.everything_has_ended()
        received = [int(each.payload) for each in stage.received if each.topic == "out/a"]
        for number, qos, handle in self.handles:
            count = received.count(number)
            if handle.error is None:
                assert count >= 1 or not qos
            else:
                assert isinstance(handle.error, DeliveryUncertainError)
                assert qos == 2
                assert self.losses or not self.keeps_sessions
            # 3.1 does not tell whether the server has lost the session.
            if qos == 2 and not (self.losses and stage.engine.version == 3):
                assert count <= 1
        if self.keeps_sessions and not self.losses:
            # Nobody is handed a message of QoS 2 twice.
            twice = {each for each in self.taken if self.taken.count(each) > 1}
            assert not [each for each in twice if self.sent_in[each] == 2]
        # It still works.
        handle = stage.publish("out/a", 2, b"0")
        request = stage.subscribe("in/end", qos=2)
        stage.pass_time(5)
        assert handle.done
        assert request.done
        stage.engine.close(stage.time, 5)
        stage.settle()
        assert stage.engine.stopped.done
        assert stage.engine.error is None
        assert stage.server is None
        assert all(box.closed for _, box in self.boxes)

    def everything_has_ended(self) -> None:
        engine = self.stage.engine
        session = engine.session
        assert [each for each in self.handles if not each[2].done] == []
        assert [each for each in self.requests if not each.done] == []
        for each in self.requests:
            assert each.error is None or isinstance(each.error, ClientClosedError)
        assert session.in_flight == len(session.queue) == len(session.outbound) == 0
        assert len(session.undecided) == 0
        assert not engine._handles
        assert not engine._unnumbered
        assert not engine._shared
        assert not engine._asked
        assert not engine._unsent
        assert not engine._handed_over
        assert self.stage.connection.in_flight == 0
        holder = self.stage.connection.session
        assert len(holder.queue) == 0
        # Both ends agree on what is subscribed to.
        member = self.stage.hub._members["c"]
        own = {each.subscription.topic_filter for each in engine._subscriptions}
        assert own == set(member.entries)


TestLaws = Laws.TestCase
TestLaws.settings = settings(stateful_step_count=30)
