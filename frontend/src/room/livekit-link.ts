/** The conversation's `Link` over LiveKit's client. */

import {
  ConnectionError,
  ConnectionErrorReason,
  ConnectionState,
  createLocalAudioTrack,
  DisconnectReason,
  MediaDeviceFailure,
  ParticipantKind,
  RoomEvent,
  Track,
  type LocalAudioTrack,
  type RemoteParticipant,
  type Room,
  type TextStreamReader,
} from 'livekit-client';
import { LinkError, MicrophoneError, type Link, type LinkEvent, type Parting } from '../core/link';
import type { Agent, AgentState, MicrophoneState } from '../core/session';
import { parseSources } from '../core/sources';

const TRANSCRIPTION_TOPIC = 'lk.transcription';
const CHAT_TOPIC = 'lk.chat';
const SOURCES_TOPIC = 'majlis.sources';

const STATE_ATTRIBUTE = 'lk.agent.state';
const SPEECH_ATTRIBUTE = 'majlis.speech';
const VOICE_ATTRIBUTE = 'majlis.voice';
const SEGMENT_ATTRIBUTE = 'lk.segment_id';
const FINAL_ATTRIBUTE = 'lk.transcription_final';
const TRACK_ATTRIBUTE = 'lk.transcribed_track_id';

export class LiveKitLink implements Link {
  onEvent: (event: LinkEvent) => void = () => undefined;
  readonly #room: Room;
  #microphone: LocalAudioTrack | null = null;
  /** Whether the room was left because we asked for it. */
  #leaving = true;
  /** The client begins anew. It calls itself reconnected too early: what is sent before its engine
   * has restarted is lost without a word (livekit-client 2.23.0). */
  #restarting = false;

  constructor(room: Room) {
    this.#room = room;
    room
      .on(RoomEvent.Reconnecting, () => {
        this.#restarting = true;
        this.onEvent({ type: 'interrupted' });
      })
      .on(RoomEvent.SignalReconnecting, () => this.onEvent({ type: 'interrupted' }))
      .on(RoomEvent.Reconnected, () => {
        if (!this.#restarting) this.#restored();
      })
      .on(RoomEvent.Disconnected, (reason) => {
        if (!this.#leaving) this.onEvent({ type: 'parted', why: partingOf(reason) });
      })
      .on(RoomEvent.ParticipantConnected, () => this.#reportAgent())
      .on(RoomEvent.ParticipantDisconnected, () => this.#reportAgent())
      .on(RoomEvent.ParticipantAttributesChanged, () => this.#reportAgent());
    room.registerTextStreamHandler(TRANSCRIPTION_TOPIC, (reader, { identity }) => {
      void this.#transcribe(reader, identity);
    });
    room.registerTextStreamHandler(SOURCES_TOPIC, (reader) => {
      void reader
        .readAll()
        .then((message) => this.onEvent({ type: 'sources', sources: parseSources(message) }))
        .catch(() => undefined);
    });
  }

  async connect(serverUrl: string, token: string): Promise<void> {
    this.#leaving = true;
    this.#restarting = false;
    try {
      await this.#room.connect(serverUrl, token);
    } catch (error) {
      const refused =
        error instanceof ConnectionError && error.reason === ConnectionErrorReason.NotAllowed;
      throw new LinkError(!refused, { cause: error });
    }
    this.#leaving = false;
    this.#room.engine
      .on('tokenRefreshed', (fresh) => this.onEvent({ type: 'token', token: fresh }))
      .on('restarted', () => {
        this.#restarting = false;
        setTimeout(() => this.#restored());
      });
    // Who was there before us has no event of its own.
    this.#reportAgent();
  }

  async disconnect(): Promise<void> {
    this.#leaving = true;
    await this.#room.disconnect();
  }

  async openMicrophone(): Promise<void> {
    if (!window.isSecureContext) throw new MicrophoneError('insecure');
    this.#microphone?.stop();
    try {
      this.#microphone = await createLocalAudioTrack({
        echoCancellation: true,
        noiseSuppression: true,
        autoGainControl: true,
      });
    } catch (error) {
      throw new MicrophoneError(microphoneStateOf(error), { cause: error });
    }
  }

  async publishMicrophone(muted: boolean): Promise<void> {
    const track = this.#microphone;
    if (track === null) throw new MicrophoneError('failed');
    try {
      if (muted) await track.mute();
      await this.#room.localParticipant.publishTrack(track, {
        source: Track.Source.Microphone,
      });
    } catch (error) {
      throw new MicrophoneError('failed', { cause: error });
    }
    track.mediaStreamTrack.addEventListener('ended', () => {
      if (!this.#leaving) this.onEvent({ type: 'microphone', state: 'missing' });
    });
  }

  async muteMicrophone(muted: boolean): Promise<void> {
    await (muted ? this.#microphone?.mute() : this.#microphone?.unmute());
  }

  async closeMicrophone(): Promise<void> {
    const track = this.#microphone;
    this.#microphone = null;
    if (track === null) return;
    track.stop();
    if (this.#room.state !== ConnectionState.Connected) return;
    // Fails as its publishing did, which may be under way.
    await this.#room.localParticipant.unpublishTrack(track).catch(() => undefined);
  }

  async sendText(text: string): Promise<void> {
    await this.#room.localParticipant.sendText(text, { topic: CHAT_TOPIC });
  }

  #restored(): void {
    this.onEvent({ type: 'restored' });
    this.#reportAgent();
  }

  #reportAgent(): void {
    const participants = [...this.#room.remoteParticipants.values()];
    const agent = participants.find(({ kind }) => kind === ParticipantKind.AGENT);
    this.onEvent({ type: 'agent', agent: agent === undefined ? null : agentOf(agent) });
  }

  /** One stream is either a segment's whole text so far, or its words as they are spoken. */
  async #transcribe(reader: TextStreamReader, speaker: string): Promise<void> {
    const { localParticipant } = this.#room;
    const attributes = reader.info.attributes ?? {};
    const id = attributes[SEGMENT_ATTRIBUTE] ?? reader.info.id;
    const track = attributes[TRACK_ATTRIBUTE];
    const own =
      speaker === localParticipant.identity ||
      (track !== undefined &&
        localParticipant.getTrackPublications().some(({ trackSid }) => trackSid === track));
    const role = own ? 'user' : 'assistant';
    let text = '';
    try {
      for await (const chunk of reader) {
        text += chunk;
        this.onEvent({ type: 'segment', id, role, text, final: false });
      }
    } catch {
      // Cut off with its sender: what has come stands.
    }
    const final = reader.info.attributes?.[FINAL_ATTRIBUTE] !== 'false';
    this.onEvent({ type: 'segment', id, role, text, final });
  }
}

function agentOf({ attributes }: RemoteParticipant): Agent {
  return {
    state: agentStateOf(attributes[STATE_ATTRIBUTE]),
    hears: attributes[SPEECH_ATTRIBUTE] !== 'off',
    speaks: attributes[VOICE_ATTRIBUTE] !== 'off',
  };
}

function agentStateOf(value: string | undefined): AgentState {
  switch (value) {
    case 'idle':
    case 'listening':
    case 'thinking':
    case 'speaking':
      return value;
    default:
      return 'initializing';
  }
}

function partingOf(reason: DisconnectReason | undefined): Parting {
  switch (reason) {
    case DisconnectReason.DUPLICATE_IDENTITY:
      return 'duplicate';
    case DisconnectReason.PARTICIPANT_REMOVED:
    case DisconnectReason.ROOM_DELETED:
    case DisconnectReason.ROOM_CLOSED:
      return 'removed';
    default:
      return 'lost';
  }
}

function microphoneStateOf(error: unknown): MicrophoneState {
  switch (MediaDeviceFailure.getFailure(error)) {
    case MediaDeviceFailure.PermissionDenied:
      return 'blocked';
    case MediaDeviceFailure.NotFound:
      return 'missing';
    case MediaDeviceFailure.DeviceInUse:
      return 'in-use';
    default:
      return 'failed';
  }
}
