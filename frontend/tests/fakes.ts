/** Scripted stand-ins for the API and the room. */

import {
  ApiError,
  type Admission,
  type SessionApi,
  type SessionRecord,
  type StartRequest,
} from '../src/core/api';
import { MicrophoneError, type Link, type LinkEvent } from '../src/core/link';
import type { Store } from '../src/core/memory';
import type { Agent } from '../src/core/session';

export const ADMISSION: Admission = {
  sessionId: 'session_1_a',
  token: 'first-token',
  serverUrl: 'ws://rooms',
  roomName: 'session_1_a',
};

export const LISTENING: Agent = { state: 'listening', hears: true, speaks: true };

export class FakeApi implements SessionApi {
  readonly started: StartRequest[] = [];
  readonly ended: string[] = [];
  record: SessionRecord = { status: 'active', endReason: null };
  /** While set, every call fails with it. */
  failure: ApiError | null = null;
  /** Holds `start` back until it is resolved. */
  gate: Promise<void> = Promise.resolve();

  async start(request: StartRequest): Promise<Admission> {
    this.started.push(request);
    await this.gate;
    this.#check();
    return ADMISSION;
  }

  async end(sessionId: string): Promise<void> {
    await Promise.resolve();
    this.#check();
    this.ended.push(sessionId);
  }

  async get(): Promise<SessionRecord> {
    await Promise.resolve();
    this.#check();
    return this.record;
  }

  #check(): void {
    if (this.failure !== null) throw this.failure;
  }
}

export class FakeLink implements Link {
  onEvent: (event: LinkEvent) => void = () => undefined;
  readonly tokens: string[] = [];
  readonly sent: string[] = [];
  /** What becomes of the next connects, in turn; after these they succeed. */
  refusals: Error[] = [];
  microphoneFailure: Error | null = null;
  /** Holds `publishMicrophone` back until it is resolved. */
  publishing: Promise<void> = Promise.resolve();
  sendFailure: Error | null = null;
  connected = false;
  microphone: 'closed' | 'open' | 'live' | 'muted' = 'closed';

  async connect(_serverUrl: string, token: string): Promise<void> {
    await Promise.resolve();
    this.tokens.push(token);
    const refusal = this.refusals.shift();
    if (refusal !== undefined) throw refusal;
    this.connected = true;
  }

  async disconnect(): Promise<void> {
    await Promise.resolve();
    this.connected = false;
  }

  async openMicrophone(): Promise<void> {
    await Promise.resolve();
    if (this.microphoneFailure !== null) throw this.microphoneFailure;
    this.microphone = 'open';
  }

  async publishMicrophone(muted: boolean): Promise<void> {
    await this.publishing;
    if (this.microphone === 'closed') throw new MicrophoneError('failed');
    this.microphone = muted ? 'muted' : 'live';
  }

  async muteMicrophone(muted: boolean): Promise<void> {
    await Promise.resolve();
    this.microphone = muted ? 'muted' : 'live';
  }

  async closeMicrophone(): Promise<void> {
    await Promise.resolve();
    this.microphone = 'closed';
  }

  async sendText(text: string): Promise<void> {
    await Promise.resolve();
    if (this.sendFailure !== null) throw this.sendFailure;
    this.sent.push(text);
  }
}

export class FakeStore implements Store {
  readonly items = new Map<string, string>();

  getItem(key: string): string | null {
    return this.items.get(key) ?? null;
  }

  setItem(key: string, value: string): void {
    this.items.set(key, value);
  }

  removeItem(key: string): void {
    this.items.delete(key);
  }
}
