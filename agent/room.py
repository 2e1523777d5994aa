"""One LiveKit room, from joining it to leaving it: what an agent's process does with its job.

The room itself keeps two agents of one session apart as well: they have one identity, and the room
server throws the older of the two out.
"""

import asyncio
import contextlib
import datetime
import enum
import json
import logging
import signal
import socket
import time
from collections.abc import Callable, Coroutine
from dataclasses import asdict, dataclass, replace

from livekit import api, rtc
from livekit.agents import NOT_GIVEN, AgentSession
from livekit.agents.types import ATTRIBUTE_AGENT_STATE
from livekit.agents.voice.room_io import (
    AudioInputOptions,
    RoomOptions,
    TextInputEvent,
    TextInputOptions,
)
from redis.asyncio import Redis

from agent.assistant import NoDocuments
from agent.conversation import Conversation, Entry, Manner, stages_for
from agent.handover import PersonWatch
from agent.job import (
    AgentEnded,
    AgentJoined,
    AgentState,
    EndReason,
    Handover,
    HandoverChanged,
    HandoverState,
    Job,
    Source,
    StateChanged,
    Turn,
    TurnEnded,
    UserJoined,
    UserLeft,
)
from agent.knowledge.errors import KnowledgeError, UnknownCollection
from agent.knowledge.hybrid import open_knowledge
from agent.knowledge.speculation import Retriever
from agent.lease import Leases, Pulse
from agent.load import Load
from agent.phrases import phrases
from agent.presence import Patience, Presence
from agent.report import Reports
from agent.room_configuration import room_configuration
from agent.settings import AgentSettings
from agent.stages.errors import StageUnavailable
from agent.stages.fallback.answers import needs_passages
from agent.tenure import Tenure, TenureEnd

SOURCES_TOPIC = "majlis.sources"
SPEECH_ATTRIBUTE = "majlis.speech"
"""`off` where nobody here recognises the session's language, so that only typing works."""
VOICE_ATTRIBUTE = "majlis.voice"
"""`off` where nobody here speaks, so that answers come as text only."""

HANDOVER_TOPIC = "majlis.handover"
"""Text streams that tell how asking for a person stands, and a person what it is about."""
HANDOVER_ATTRIBUTE = "majlis.handover"
"""A `HandoverState`, from the first time that a person is asked for."""
_PEOPLE = frozenset(
    {
        rtc.ParticipantKind.PARTICIPANT_KIND_STANDARD,
        rtc.ParticipantKind.PARTICIPANT_KIND_SIP,
    }
)

CONNECT_TIMEOUT_S = 5.0
CONNECT_ATTEMPTS = 4
CONNECT_RETRY_S = 0.5
GOODBYE_TIMEOUT_S = 5.0
HUSH_TIMEOUT_S = 0.4
LEAVE_TIMEOUT_S = 0.3
FLUSH_TIMEOUT_S = 1.0
_MICROPHONE = AudioInputOptions(
    # WebRTC's way from here to 16 kHz takes 4 dB and more from consonants; the stages' do not
    sample_rate=48_000,
    frame_size_ms=20,
    # browsers do it already, and doing it twice costs recognition words
    auto_gain_control=False,
)
"""How the user is heard: as the room carries it."""

_log = logging.getLogger(__name__)


class Quiet(enum.Enum):
    """Why an agent leaves without a report: somebody else knows more."""

    LEASE_LOST = enum.auto()
    TERMINATED = enum.auto()


@dataclass(frozen=True, slots=True)
class Ending:
    """Why the agent leaves, and what it says before."""

    reason: EndReason | Quiet
    error: str = ""
    last_words: str = ""


class RoomAgent:
    """Runs one job. Use once: `await RoomAgent(job, settings, redis).run()`.

    `on_entered` is called once it is in its room and can talk.
    """

    def __init__(
        self,
        job: Job,
        settings: AgentSettings,
        redis: Redis,
        *,
        on_entered: Callable[[], None] = lambda: None,
    ) -> None:
        self._job = job
        self._on_entered = on_entered
        self._settings = settings
        self._reports = Reports(redis)
        self._tenure = Tenure(
            Leases(redis, ttl_s=settings.agent_lease_seconds),
            session_id=job.session_id,
            fence=job.fence,
            host=settings.agent_host_name or socket.gethostname(),
            ttl_s=settings.agent_lease_seconds,
            pulse=self._feel_pulse,
        )
        self._load = Load()
        self._room = rtc.Room()
        self._conversation: Conversation | None = None
        self._presence = Presence(
            Patience(
                join_s=settings.user_join_timeout_seconds,
                rejoin_s=settings.user_rejoin_timeout_seconds,
                idle_s=settings.session_timeout_seconds,
            ),
            time.monotonic(),
            expected_back=bool(job.history),
        )
        self._handover = job.handover
        self._person = PersonWatch(job.handover.state if job.handover else None)
        self._changed = asyncio.Event()
        self._ending: asyncio.Future[Ending] = asyncio.get_running_loop().create_future()
        self._opened = False
        self._hears = True
        self._speaks = True
        self._agent_state = AgentState.INITIALIZING
        self._user_speaks = False
        self._tasks: set[asyncio.Task[None]] = set()

    async def run(self) -> None:
        """Join, talk, leave. Returns when the room is left and the reports are written."""
        loop = asyncio.get_running_loop()
        loop.add_signal_handler(signal.SIGTERM, self._end, Ending(Quiet.TERMINATED))
        loop.add_signal_handler(signal.SIGUSR1, self._end_drained)
        async with self._reports:
            self._own(self._keep_lease())
            self._own(self._talk())
            try:
                ending = await self._ending
                await self._leave(ending)
            finally:
                for task in self._tasks:
                    task.cancel()

    # joining

    async def _talk(self) -> None:
        try:
            if await self._tenure.is_lost():
                self._end(Ending(Quiet.LEASE_LOST))
                return
            self._watch_room()
            joining = asyncio.create_task(self._join(), name="join")
            self._own(joining)
            # the native runtime joins in threads of its own while we build
            await asyncio.sleep(0)
            conversation = self._build()
            await joining
            await conversation.start(Entry(self._room, self._room_options()))
        except (StageUnavailable, KnowledgeError) as error:
            _log.error("agent cannot start", extra={"error": str(error)})
            self._end(Ending(EndReason.AGENT_FAILED, error.code))
            return
        except rtc.ConnectError as error:
            _log.error("cannot join the room", extra={"error": type(error).__name__})
            self._end(Ending(EndReason.ROOM_GONE, "cannot join the room"))
            return
        self._conversation = conversation
        self._on_entered()
        if lacks := self._lacks():
            await self._show(lacks)
        self._take_up_handover(conversation)
        self._greet()
        await self._keep_time()

    async def _join(self) -> None:
        """Connect to the room. Raises `rtc.ConnectError` when it cannot be reached."""
        url, options = (
            self._settings.livekit_url,
            rtc.RoomOptions(connect_timeout=CONNECT_TIMEOUT_S),
        )
        for attempt in range(1, CONNECT_ATTEMPTS + 1):
            try:
                await self._room.connect(url, access_token(self._job, self._settings), options)
                break
            except rtc.ConnectError:
                if attempt == CONNECT_ATTEMPTS:
                    raise
                await asyncio.sleep(CONNECT_RETRY_S * attempt)
        job = self._job
        self._reports.send(AgentJoined(job.session_id, job.fence, time.time()))
        for participant in self._room.remote_participants.values():
            self._on_participant(participant)

    def _build(self) -> Conversation:
        job, settings = self._job, self._settings
        stages = stages_for(job, settings)
        self._hears = stages.stt is not None
        self._speaks = stages.tts is not None
        manner = Manner(ask_for_person=self._ask_for_person)
        knowledge = self._open_knowledge() if needs_passages(stages.llm) else NoDocuments()
        return Conversation(job, settings, stages, knowledge, self, manner)

    def _open_knowledge(self) -> Retriever:
        name = self._job.knowledge_base
        try:
            return open_knowledge(self._settings, name)
        except UnknownCollection:
            _log.error("no such knowledge base", extra={"knowledge_base": name})
            return NoDocuments()

    def _room_options(self) -> RoomOptions:
        def on_typed(_: AgentSession[None], event: TextInputEvent) -> None:
            if self._conversation is not None:
                self._conversation.type(event.text)

        return RoomOptions(
            participant_identity=self._job.user_identity,
            # a page that is reloaded comes back: the timers are ours
            close_on_disconnect=False,
            audio_input=_MICROPHONE if self._hears else False,
            audio_output=NOT_GIVEN if self._speaks else False,
            text_input=TextInputOptions(text_input_cb=on_typed),
        )

    def _greet(self) -> None:
        if self._conversation is not None and self._presence.user_is_here and not self._opened:
            self._opened = True
            if not self._person.keeps_quiet:
                self._conversation.open()

    # what happens in the room

    def _watch_room(self) -> None:
        self._room.on("participant_connected", self._on_participant)
        self._room.on("participant_disconnected", self._on_participant_gone)
        self._room.on("disconnected", self._on_disconnected)
        self._room.on("reconnected", lambda: self._own(self._show_again()))

    def _on_participant(self, participant: rtc.RemoteParticipant) -> None:
        job = self._job
        if self._is_person(participant):
            self._on_person(participant.identity)
        if participant.identity != job.user_identity or self._presence.user_is_here:
            return
        self._presence.user_joined(time.monotonic())
        self._changed.set()
        self._reports.send(UserJoined(job.session_id, job.fence, time.time(), participant.sid))
        self._greet()

    def _on_participant_gone(self, participant: rtc.RemoteParticipant) -> None:
        if self._is_person(participant) and self._person.left(participant.identity):
            self._on_handover(phrases(self._job.language).person_left)
        if participant.identity != self._job.user_identity:
            return
        job = self._job
        reason = participant.disconnect_reason
        self._presence.user_left(
            time.monotonic(), on_purpose=reason == rtc.DisconnectReason.CLIENT_INITIATED
        )
        self._changed.set()
        if self._conversation is not None:
            self._conversation.cut_off()
        self._reports.send(UserLeft(job.session_id, job.fence, time.time()))
        if reason == rtc.DisconnectReason.PARTICIPANT_REMOVED:
            self._end(Ending(EndReason.USER_LEFT))

    def _on_disconnected(self, reason: rtc.DisconnectReason.ValueType) -> None:
        if reason == rtc.DisconnectReason.DUPLICATE_IDENTITY:
            self._end(Ending(Quiet.LEASE_LOST))
        else:
            self._end(Ending(EndReason.ROOM_GONE))

    # what happens in the conversation (`agent.conversation.Listener`)

    def turn_ended(self, turn: Turn) -> None:
        """Report a turn."""
        job = self._job
        self._reports.send(TurnEnded(job.session_id, job.fence, time.time(), turn))

    def state_changed(self, state: AgentState) -> None:
        """Report the state; the agent is not idle while it speaks or thinks."""
        job = self._job
        self._agent_state = state
        self._note_activity()
        self._reports.send(StateChanged(job.session_id, job.fence, time.time(), state))

    def user_spoke(self, speaking: bool) -> None:
        """The session is not idle while the user speaks."""
        self._user_speaks = speaking
        self._note_activity()

    def failed(self, error: str) -> None:
        """Give up, with an apology if the voice still works."""
        self._end(
            Ending(EndReason.AGENT_FAILED, error, last_words=phrases(self._job.language).apology)
        )

    # handing over to a person

    def _is_person(self, participant: rtc.RemoteParticipant) -> bool:
        """Whether it is somebody else than the user and ourselves, and no program."""
        ours = (self._job.user_identity, self._job.agent_identity)
        return participant.identity not in ours and participant.kind in _PEOPLE

    def _ask_for_person(self, reason: str, summary: str) -> None:
        """The assistant asks for one, with its tool."""
        now = time.time()
        self._person.ask(time.monotonic(), self._person_wait_s)
        self._handover = Handover(HandoverState.WAITING, reason, summary, now, now)
        self._on_handover(phrases(self._job.language).handing_over)

    @property
    def _person_wait_s(self) -> float:
        tool = self._job.brief.hand_over
        return 0.0 if tool is None else tool.wait_s

    def _take_up_handover(self, conversation: Conversation) -> None:
        """The agent before us may have asked for a person, who may be there."""
        if self._person.keeps_quiet:
            self._person.ask(time.monotonic(), self._person_wait_s)
            conversation.keep_quiet()
            self._on_handover()

    def _on_person(self, identity: str) -> None:
        if self._person.came(identity):
            self._on_handover()
        if self._handover is not None and self._person.taken:
            told = json.dumps(asdict(self._handover), ensure_ascii=False)
            self._own(self._send(told, HANDOVER_TOPIC, to=[identity]))

    def _on_handover(self, line: str = "") -> None:
        """It stands otherwise than before: do what follows, and tell everybody."""
        state, conversation = self._person.state, self._conversation
        if self._handover is None or state is None:
            return
        at = time.time()
        handover = self._handover = replace(self._handover, state=state, changed_at=at)
        self._reports.send(HandoverChanged(self._job.session_id, self._job.fence, at, handover))
        self._own(self._announce(handover))
        if conversation is not None:
            if self._person.keeps_quiet:
                conversation.keep_quiet(line)
            else:
                conversation.go_on(line)
        self._note_activity()

    async def _announce(self, handover: Handover) -> None:
        """Everybody may know how it stands; what was said is for the person alone."""
        await self._show({HANDOVER_ATTRIBUTE: handover.state.value})
        told = {"state": handover.state.value, "changed_at": handover.changed_at}
        await self._send(json.dumps(told), HANDOVER_TOPIC)

    async def cite(self, question_id: str, sources: tuple[Source, ...]) -> None:
        """Send the sources to everyone in the room."""
        message = {"question_id": question_id, "sources": [asdict(source) for source in sources]}
        await self._send(json.dumps(message, ensure_ascii=False), SOURCES_TOPIC)

    async def _send(self, text: str, topic: str, *, to: list[str] | None = None) -> None:
        """Send to these identities, or to everyone."""
        try:
            await self._room.local_participant.send_text(
                text, topic=topic, destination_identities=to
            )
        except Exception as error:  # noqa: BLE001 (livekit raises bare ones; the call goes on)
            fields = {"topic": topic, "error": type(error).__name__}
            _log.warning("text not sent", extra=fields)

    async def _show_again(self) -> None:
        """A room server that was started again knows nothing of us."""
        state = self._person.state
        handover = {} if state is None else {HANDOVER_ATTRIBUTE: state.value}
        await self._show(
            {ATTRIBUTE_AGENT_STATE: self._agent_state.value, **self._lacks(), **handover}
        )

    def _lacks(self) -> dict[str, str]:
        """What clients are told that does not work here, as attributes."""
        works = {SPEECH_ATTRIBUTE: self._hears, VOICE_ATTRIBUTE: self._speaks}
        return {attribute: "off" for attribute, does in works.items() if not does}

    async def _show(self, attributes: dict[str, str]) -> None:
        try:
            await self._room.local_participant.set_attributes(attributes)
        except Exception as error:  # noqa: BLE001 (livekit raises bare ones; the call goes on)
            _log.warning("attributes not set", extra={"error": type(error).__name__})

    def _note_activity(self) -> None:
        talks = self._agent_state in (AgentState.THINKING, AgentState.SPEAKING)
        if self._user_speaks or talks or self._person.keeps_quiet:
            self._presence.busy()
        else:
            self._presence.quiet(time.monotonic())
        self._changed.set()

    async def _keep_time(self) -> None:
        """End the session when nobody is there any more."""
        while True:
            self._changed.clear()
            if self._person.passed(time.monotonic()):
                self._on_handover(phrases(self._job.language).nobody_came)
            deadline = self._presence.deadline
            times = [deadline.at if deadline else None, self._person.deadline]
            wait_s = min((at - time.monotonic() for at in times if at is not None), default=None)
            if deadline is not None and deadline.at <= time.monotonic():
                idle = deadline.reason is EndReason.IDLE
                last_words = phrases(self._job.language).goodbye if idle else ""
                self._end(Ending(deadline.reason, last_words=last_words))
                return
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(wait_s):
                    await self._changed.wait()

    async def _keep_lease(self) -> None:
        match await self._tenure.keep():
            case TenureEnd.LOST:
                self._end(Ending(Quiet.LEASE_LOST))
            case TenureEnd.OUT_OF_SIGHT:
                self._end(Ending(EndReason.AGENT_FAILED, "redis unreachable"))

    def _feel_pulse(self) -> Pulse:
        cpu, memory_mib = self._load.look()
        return Pulse(self._agent_state, cpu, memory_mib, time.time())

    # leaving

    def _end(self, ending: Ending) -> None:
        if not self._ending.done():
            self._ending.set_result(ending)

    def _end_drained(self) -> None:
        last_words = phrases(self._job.language).goodbye
        self._end(Ending(EndReason.DRAINED, last_words=last_words))

    async def _leave(self, ending: Ending) -> None:
        job = self._job
        _log.info("agent leaves", extra={"session_id": job.session_id, "why": ending.reason.name})
        conversation = self._conversation
        if conversation is not None and self._room.isconnected():
            if ending.last_words and self._presence.user_is_here:
                await conversation.say_last(ending.last_words, timeout_s=GOODBYE_TIMEOUT_S)
            else:
                await conversation.hush(timeout_s=HUSH_TIMEOUT_S)
        if isinstance(ending.reason, EndReason):
            self._reports.send(
                AgentEnded(job.session_id, job.fence, time.time(), ending.reason, ending.error)
            )
        await asyncio.gather(self._disconnect(), self._reports.flush(FLUSH_TIMEOUT_S))

    async def _disconnect(self) -> None:
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(LEAVE_TIMEOUT_S):
                await self._room.disconnect()

    def _own(self, work: "Coroutine[None, None, None] | asyncio.Task[None]") -> None:
        task = work if isinstance(work, asyncio.Task) else asyncio.create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._on_task_done)

    def _on_task_done(self, task: "asyncio.Task[None]") -> None:
        self._tasks.discard(task)
        if not task.cancelled() and task.exception() is not None:
            _log.error("agent failed", exc_info=task.exception())
            self._end(Ending(EndReason.AGENT_FAILED, "internal error"))


def access_token(job: Job, settings: AgentSettings) -> str:
    """A token for the job's room only; `canUpdateOwnMetadata` is for `lk.agent.state`."""
    token = api.AccessToken(
        settings.livekit_api_key, settings.livekit_api_secret.get_secret_value()
    )
    grants = api.VideoGrants(
        room_join=True,
        room=job.session_id,
        can_publish=True,
        can_subscribe=True,
        can_publish_data=True,
        can_update_own_metadata=True,
        agent=True,
    )
    return (
        token.with_identity(job.agent_identity)
        .with_kind("agent")
        .with_name("Assistant")
        .with_grants(grants)
        .with_room_config(room_configuration(settings, job.deployment))
        .with_ttl(datetime.timedelta(hours=6))
        .to_jwt()
    )
