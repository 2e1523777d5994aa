/**
 * One conversation from *Talk* to its end: drives the API, the room and what is remembered by the
 * table of `session.ts`. It knows neither React nor LiveKit.
 */

import { ApiError, endOf, isOver, type Admission, type SessionApi } from './api';
import { caption, NO_CAPTIONS, type CaptionEvent, type Captions } from './captions';
import { LinkError, MicrophoneError, type Link, type LinkEvent } from './link';
import type { Memory } from './memory';
import {
  INITIAL,
  inRoom,
  reduce,
  type Problem,
  type SessionEvent,
  type SessionState,
} from './session';

export interface Snapshot {
  readonly session: SessionState;
  readonly captions: Captions;
}

/** How often to ask the API about a session whose agent is not there. */
export const POLL_MS = 2_000;
/** An agent that takes longer to come is worth a word. */
export const LATE_MS = 15_000;
/** How long to try to join, when the API cannot say that the session is over. */
export const REJOIN_FOR_MS = 120_000;
/** Pauses between those tries; the last one repeats. */
const REJOIN_DELAYS_MS = [500, 1_000, 2_000, 4_000];

export class Conversation {
  readonly #api: SessionApi;
  readonly #link: Link;
  readonly #memory: Memory;
  readonly #listeners = new Set<() => void>();

  #snapshot: Snapshot = { session: INITIAL, captions: NO_CAPTIONS };
  #admission: Admission | null = null;
  #muted = false;
  #opened: Promise<void> | null = null;
  #typed = 0;
  /** Counts the calls: what began in an earlier one finds out that it is stale. */
  #call = 0;

  constructor(api: SessionApi, link: Link, memory: Memory) {
    this.#api = api;
    this.#link = link;
    this.#memory = memory;
    link.onEvent = (event) => this.#onLink(event);
  }

  readonly subscribe = (listener: () => void): (() => void) => {
    this.#listeners.add(listener);
    return () => this.#listeners.delete(listener);
  };

  readonly snapshot = (): Snapshot => this.#snapshot;

  async talk(language: string, userName: string): Promise<void> {
    if (!this.#dispatch({ type: 'talk' })) return;
    const call = ++this.#call;
    this.#muted = false;
    this.#caption({ type: 'clear' });
    this.#openMicrophone();
    let admission: Admission;
    try {
      admission = await this.#api.start({ language, ...(userName !== '' && { userName }) });
    } catch (error) {
      if (call !== this.#call) return;
      this.#dispatch({ type: 'refused', problem: problemOf(error) });
      await this.#closeMicrophone();
      return;
    }
    if (call !== this.#call) {
      // Ended before it began: the session must not wait for us.
      await this.#api.end(admission.sessionId).catch(() => undefined);
      return;
    }
    this.#admission = admission;
    this.#remember();
    await this.#enter();
  }

  /** After a reload: go back into the session that this tab was in, if it still lives. */
  async resume(): Promise<void> {
    const remembered = this.#memory.load();
    if (remembered === null || !this.#dispatch({ type: 'resume' })) return;
    const call = ++this.#call;
    this.#admission = remembered.admission;
    this.#muted = remembered.muted;
    this.#set({ captions: { lines: remembered.lines, pending: [] } });
    this.#caption({ type: 'settle' });
    const ending = await this.#ending(call, remembered.admission);
    if (call !== this.#call) return;
    if (ending !== undefined) {
      this.#dispatch({ type: 'forgotten', problem: ending ?? 'gone' });
      this.#forget();
      this.#caption({ type: 'clear' });
      return;
    }
    this.#openMicrophone();
    await this.#enter();
  }

  /** Whether it was sent. */
  async say(text: string): Promise<boolean> {
    try {
      await this.#link.sendText(text);
    } catch {
      return false;
    }
    const id = `typed-${Date.now()}-${++this.#typed}`;
    this.#caption({ type: 'segment', id, role: 'user', text, final: true });
    return true;
  }

  async mute(muted: boolean): Promise<void> {
    this.#muted = muted;
    await this.#link.muteMicrophone(muted);
    this.#dispatch({ type: 'microphone', state: muted ? 'muted' : 'live' });
    this.#remember();
  }

  /** Another try, when the microphone was blocked or missing. */
  async retryMicrophone(): Promise<void> {
    this.#muted = false;
    this.#openMicrophone();
    await this.#publishMicrophone();
  }

  async end(): Promise<void> {
    if (!this.#dispatch({ type: 'end' })) return;
    this.#call++;
    const sessionId = this.#admission?.sessionId;
    this.#forget();
    await Promise.all([
      this.#closeMicrophone().then(() => this.#link.disconnect()),
      sessionId === undefined ? undefined : this.#api.end(sessionId).catch(() => undefined),
    ]);
    this.#over(null);
  }

  /** From the look back at a conversation to the start page. */
  close(): void {
    if (this.#dispatch({ type: 'close' })) this.#caption({ type: 'clear' });
  }

  // Getting in, and in again.

  async #enter(): Promise<void> {
    const admission = this.#admission;
    if (admission === null || !this.#dispatch({ type: 'admitted' })) return;
    const call = this.#call;
    void this.#watch(call, admission);
    try {
      await this.#link.connect(admission.serverUrl, admission.token);
    } catch (error) {
      if (call === this.#call) await this.#mend(call, admission, error);
      return;
    }
    if (call === this.#call) await this.#entered();
  }

  async #entered(): Promise<void> {
    if (this.#dispatch({ type: 'joined' })) await this.#publishMicrophone();
  }

  /** Joins anew until it works, the session is over, or it has taken too long. */
  async #mend(call: number, admission: Admission, cause?: unknown): Promise<void> {
    if (cause instanceof LinkError && !cause.retryable) {
      await this.#leave('unreachable');
      return;
    }
    if (!this.#dispatch({ type: 'lost' })) return;
    this.#caption({ type: 'settle' });
    const since = Date.now();
    for (let attempt = 0; Date.now() - since < REJOIN_FOR_MS; attempt++) {
      await sleep(REJOIN_DELAYS_MS[Math.min(attempt, REJOIN_DELAYS_MS.length - 1)] ?? 0);
      if (call !== this.#call) return;
      const ending = await this.#endingNow(admission);
      if (call !== this.#call) return;
      if (ending !== undefined) {
        await this.#leave(ending);
        return;
      }
      try {
        await this.#link.connect(admission.serverUrl, this.#admission?.token ?? admission.token);
      } catch (error) {
        if (call !== this.#call) return;
        if (error instanceof LinkError && !error.retryable) break;
        continue;
      }
      if (call !== this.#call) return;
      this.#openMicrophone();
      await this.#entered();
      return;
    }
    await this.#leave('unreachable');
  }

  /** Looks after a session whose agent is not there: is it late, or will it never come? */
  async #watch(call: number, admission: Admission): Promise<void> {
    let missing = 0;
    for (;;) {
      await sleep(POLL_MS);
      const { phase, agent } = this.#snapshot.session;
      if (call !== this.#call || !inRoom(phase)) return;
      if (phase !== 'joined' || agent !== null) {
        missing = 0;
        continue;
      }
      missing += POLL_MS;
      if (missing >= LATE_MS) this.#dispatch({ type: 'late' });
      const ending = await this.#endingNow(admission);
      if (call !== this.#call) return;
      if (ending !== undefined) {
        await this.#leave(ending);
        return;
      }
    }
  }

  /** How the session ended; undefined while it lives, or while nobody can say. */
  async #endingNow({ sessionId }: Admission): Promise<Problem | null | undefined> {
    try {
      const record = await this.#api.get(sessionId);
      return isOver(record) ? endOf(record) : undefined;
    } catch (error) {
      return error instanceof ApiError && !error.retryable ? error.problem : undefined;
    }
  }

  /** As `#endingNow`, but keeps asking while the API cannot be reached. */
  async #ending(call: number, { sessionId }: Admission): Promise<Problem | null | undefined> {
    const since = Date.now();
    for (;;) {
      try {
        const record = await this.#api.get(sessionId);
        return isOver(record) ? endOf(record) : undefined;
      } catch (error) {
        const problem = problemOf(error);
        const hopeless = error instanceof ApiError && !error.retryable;
        if (hopeless || Date.now() - since > REJOIN_FOR_MS) return problem;
      }
      await sleep(POLL_MS);
      if (call !== this.#call) return undefined;
    }
  }

  // What comes from the room.

  #onLink(event: LinkEvent): void {
    switch (event.type) {
      case 'interrupted':
        this.#dispatch({ type: 'interrupted' });
        break;
      case 'restored':
        this.#dispatch({ type: 'joined' });
        break;
      case 'parted':
        void this.#parted(event.why);
        break;
      case 'agent':
        this.#onAgent(event.agent);
        break;
      case 'token':
        if (this.#admission !== null) {
          this.#admission = { ...this.#admission, token: event.token };
          this.#remember();
        }
        break;
      case 'microphone':
        this.#dispatch(event);
        break;
      case 'segment':
      case 'sources':
        this.#caption(event);
        break;
    }
  }

  #onAgent(agent: SessionState['agent']): void {
    const before = this.#snapshot.session.agent;
    this.#dispatch({ type: 'agent', agent });
    if (agent === null) this.#caption({ type: 'settle' });
    // Nobody listens: then nothing should be recorded either.
    if (agent?.hears === false && before?.hears !== false) void this.#closeMicrophone();
    if (agent?.hears === true && before?.hears === false) void this.retryMicrophone();
  }

  async #parted(why: Extract<LinkEvent, { type: 'parted' }>['why']): Promise<void> {
    const admission = this.#admission;
    const { phase } = this.#snapshot.session;
    if (admission === null || (phase !== 'joined' && phase !== 'reconnecting')) return;
    switch (why) {
      case 'lost':
        await this.#mend(this.#call, admission);
        break;
      case 'duplicate':
        await this.#leave('duplicate');
        break;
      case 'removed':
        await this.#leave((await this.#endingNow(admission)) ?? null);
        break;
    }
  }

  /** The session is over or lost to us. */
  async #leave(problem: Problem | null): Promise<void> {
    this.#call++;
    this.#forget();
    this.#over(problem);
    await this.#closeMicrophone();
    await this.#link.disconnect();
  }

  #over(problem: Problem | null): void {
    this.#caption({ type: 'settle' });
    this.#dispatch({ type: 'over', problem });
  }

  // The microphone.

  #openMicrophone(): void {
    if (this.#snapshot.session.agent?.hears === false) return;
    this.#dispatch({ type: 'microphone', state: 'asking' });
    const opened = this.#link.openMicrophone();
    this.#opened = opened;
    opened.catch((error: unknown) => this.#onMicrophone(opened, error));
  }

  async #publishMicrophone(): Promise<void> {
    const call = this.#call;
    const opened = this.#opened;
    if (opened === null) return;
    try {
      await opened;
      if (call !== this.#call || this.#snapshot.session.phase !== 'joined') return;
      await this.#link.publishMicrophone(this.#muted);
    } catch (error) {
      this.#onMicrophone(opened, error);
      return;
    }
    if (this.#opened !== opened) return;
    this.#dispatch({ type: 'microphone', state: this.#muted ? 'muted' : 'live' });
  }

  /** What became of a microphone that has been closed since is of no interest. */
  #onMicrophone(opened: Promise<void>, error: unknown): void {
    if (this.#opened !== opened) return;
    this.#opened = null;
    const state = error instanceof MicrophoneError ? error.state : 'failed';
    this.#dispatch({ type: 'microphone', state });
  }

  async #closeMicrophone(): Promise<void> {
    const opened = this.#opened;
    this.#opened = null;
    await opened?.catch(() => undefined);
    await this.#link.closeMicrophone();
    this.#dispatch({ type: 'microphone', state: 'off' });
  }

  // State, and who watches it.

  /** Whether the event changed anything. */
  #dispatch(event: SessionEvent): boolean {
    const session = reduce(this.#snapshot.session, event);
    if (session === this.#snapshot.session) return false;
    this.#set({ session });
    return true;
  }

  #caption(event: CaptionEvent): void {
    this.#set({ captions: caption(this.#snapshot.captions, event) });
    this.#remember();
  }

  #set(change: Partial<Snapshot>): void {
    this.#snapshot = { ...this.#snapshot, ...change };
    for (const listener of this.#listeners) listener();
  }

  #remember(): void {
    if (this.#admission === null) return;
    const { lines } = this.#snapshot.captions;
    this.#memory.save({ admission: this.#admission, lines, muted: this.#muted });
  }

  #forget(): void {
    this.#admission = null;
    this.#memory.forget();
  }
}

function problemOf(error: unknown): Problem {
  return error instanceof ApiError ? error.problem : 'network';
}

function sleep(ms: number): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, ms));
}
