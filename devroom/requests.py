"""What a client asks over its signalling link: one handler for each kind of request."""

import time
from collections.abc import Callable

from google.protobuf.message import DecodeError
from livekit.protocol.rtc import Pong, RequestResponse, SignalRequest, SignalResponse

from devroom import audience
from devroom.errors import LimitError, MalformedError
from devroom.participant import Participant


def handle(participant: Participant, message: bytes) -> None:
    """Does what one message asks; kinds that need nothing done are skipped.

    Among those is `trickle`: with ICE-lite the client's candidates are never needed.
    Raises MalformedError, with nothing changed.
    """
    request = SignalRequest()
    try:
        request.ParseFromString(message)
    except DecodeError as error:
        raise MalformedError("the signal request does not parse") from error
    participant.heard()
    handler = _HANDLERS.get(request.WhichOneof("message") or "")
    if handler is not None and not participant.closed:
        handler(participant, request)


def _offer(participant: Participant, request: SignalRequest) -> None:
    participant.offer_received(request.offer)


def _answer(participant: Participant, request: SignalRequest) -> None:
    participant.answer_received(request.answer)


def _add_track(participant: Participant, request: SignalRequest) -> None:
    participant.publisher.announce(request.add_track)


def _mute(participant: Participant, request: SignalRequest) -> None:
    if participant.publisher.set_muted(request.mute.sid, request.mute.muted):
        participant.changed()


def _subscription(participant: Participant, request: SignalRequest) -> None:
    wish = request.subscription
    sids = list(wish.track_sids)
    sids += [sid for tracks in wish.participant_tracks for sid in tracks.track_sids]
    participant.choose_tracks(sids, wish.subscribe)


def _subscription_permission(participant: Participant, request: SignalRequest) -> None:
    participant.set_audience(audience.from_request(request.subscription_permission))


def _track_setting(participant: Participant, request: SignalRequest) -> None:
    for sid in request.track_setting.track_sids:
        down = participant.subscriptions.get(sid)
        if down is not None:
            down.enabled = not request.track_setting.disabled


def _update_audio_track(participant: Participant, request: SignalRequest) -> None:
    wish = request.update_audio_track
    track = participant.publisher.track(wish.track_sid)
    if track is not None:
        del track.info.audio_features[:]
        track.info.audio_features.extend(wish.features)
        participant.changed()


def _leave(participant: Participant, request: SignalRequest) -> None:
    participant.depart()


def _ping(participant: Participant, request: SignalRequest) -> None:
    participant.send(SignalResponse(pong=_now_ms()))


def _ping_req(participant: Participant, request: SignalRequest) -> None:
    now_ms = _now_ms()
    pong = Pong(last_ping_timestamp=request.ping_req.timestamp, timestamp=now_ms)
    participant.send(SignalResponse(pong=now_ms))
    participant.send(SignalResponse(pong_resp=pong))


def _now_ms() -> int:
    return int(time.time() * 1000)


def _update_metadata(participant: Participant, request: SignalRequest) -> None:
    """Always answered: a client waits for it."""
    wish = request.update_metadata
    response = RequestResponse(request_id=wish.request_id, update_metadata=wish)
    if not participant.info.permission.can_update_metadata:
        response.reason = RequestResponse.NOT_ALLOWED
        response.message = "does not have permission to update own metadata"
    else:
        try:
            participant.update(name=wish.name, metadata=wish.metadata, attributes=wish.attributes)
        except LimitError as error:
            response.reason = RequestResponse.LIMIT_EXCEEDED
            response.message = str(error)
    participant.send(SignalResponse(request_response=response))


def _publish_data_track(participant: Participant, request: SignalRequest) -> None:
    response = RequestResponse(
        reason=RequestResponse.UNSUPPORTED_TYPE,
        message="data tracks are not supported by the development room server",
        publish_data_track=request.publish_data_track_request,
    )
    participant.send(SignalResponse(request_response=response))


def _store_data_blob(participant: Participant, request: SignalRequest) -> None:
    _refuse_blob(participant, request.store_data_blob_request.request_id)


def _get_data_blob(participant: Participant, request: SignalRequest) -> None:
    _refuse_blob(participant, request.get_data_blob_request.request_id)


def _refuse_blob(participant: Participant, request_id: int) -> None:
    response = RequestResponse(
        request_id=request_id,
        reason=RequestResponse.UNSUPPORTED_TYPE,
        message="data blobs are not supported by the development room server",
    )
    participant.send(SignalResponse(request_response=response))


_HANDLERS: dict[str, Callable[[Participant, SignalRequest], None]] = {
    "offer": _offer,
    "answer": _answer,
    "add_track": _add_track,
    "mute": _mute,
    "subscription": _subscription,
    "subscription_permission": _subscription_permission,
    "track_setting": _track_setting,
    "update_audio_track": _update_audio_track,
    "leave": _leave,
    "ping": _ping,
    "ping_req": _ping_req,
    "update_metadata": _update_metadata,
    "publish_data_track_request": _publish_data_track,
    "store_data_blob_request": _store_data_blob,
    "get_data_blob_request": _get_data_blob,
}
