/** The session API as this page uses it. Every failure is an `ApiError` with a `Problem`. */

import type { Problem } from './session';
import { isRecord } from './sources';

export class ApiError extends Error {
  readonly problem: Problem;
  /** Whether the same request may succeed later. */
  readonly retryable: boolean;

  constructor(problem: Problem, retryable: boolean, options?: ErrorOptions) {
    super(problem, options);
    this.name = 'ApiError';
    this.problem = problem;
    this.retryable = retryable;
  }
}

/** What it takes to join a session's room. */
export interface Admission {
  readonly sessionId: string;
  readonly token: string;
  readonly serverUrl: string;
  readonly roomName: string;
}

export interface StartRequest {
  readonly userName?: string;
  /** BCP-47, `en-US`. */
  readonly language: string;
}

export interface SessionRecord {
  readonly status: string;
  /** Why it is over, in the words of the API; null while it is not. */
  readonly endReason: string | null;
}

export interface SessionApi {
  start(request: StartRequest): Promise<Admission>;
  end(sessionId: string): Promise<void>;
  get(sessionId: string): Promise<SessionRecord>;
}

const TIMEOUT_MS = 10_000;

export class HttpSessionApi implements SessionApi {
  readonly #fetch: typeof fetch;
  readonly #base: string;

  constructor(base = '', fetcher: typeof fetch = (...request) => fetch(...request)) {
    this.#base = base;
    this.#fetch = fetcher;
  }

  async start(request: StartRequest): Promise<Admission> {
    const { sessionId, token, serverUrl, roomName } = await this.#call('/api/session/start', {
      method: 'POST',
      body: JSON.stringify(request),
    });
    if (
      typeof sessionId !== 'string' ||
      typeof token !== 'string' ||
      typeof serverUrl !== 'string' ||
      typeof roomName !== 'string'
    ) {
      throw new ApiError('unavailable', true);
    }
    return { sessionId, token, serverUrl, roomName };
  }

  async end(sessionId: string): Promise<void> {
    // keepalive: it must arrive even if the tab is closed right after.
    await this.#call('/api/session/end', {
      method: 'POST',
      body: JSON.stringify({ sessionId }),
      keepalive: true,
    });
  }

  async get(sessionId: string): Promise<SessionRecord> {
    const { status, endReason } = await this.#call(`/api/session/${encodeURIComponent(sessionId)}`);
    if (typeof status !== 'string') throw new ApiError('unavailable', true);
    return { status, endReason: typeof endReason === 'string' ? endReason : null };
  }

  async #call(path: string, init: RequestInit = {}): Promise<Record<string, unknown>> {
    let response: Response;
    let document: unknown;
    try {
      response = await this.#fetch(this.#base + path, {
        ...init,
        headers: { accept: 'application/json', 'content-type': 'application/json' },
        signal: AbortSignal.timeout(TIMEOUT_MS),
      });
      document = await response.json().catch(() => null);
    } catch (error) {
      throw new ApiError('network', true, { cause: error });
    }
    if (!response.ok) throw failure(response.status);
    if (!isRecord(document)) throw new ApiError('unavailable', true);
    return document;
  }
}

function failure(status: number): ApiError {
  if (status === 429) return new ApiError('busy', true);
  if (status === 404) return new ApiError('gone', false);
  if (status === 401 || status === 403) return new ApiError('forbidden', false);
  if (status >= 500) return new ApiError('unavailable', true);
  return new ApiError('rejected', false);
}

/** What to tell of a session that is over: null where an end is just an end. */
export function endOf(record: SessionRecord): Problem | null {
  switch (record.endReason) {
    case 'idle':
      return 'idle-timeout';
    case 'drained':
      return 'maintenance';
    case 'agent_failed':
    case 'not_placed':
      return 'agent-failed';
    case 'user_lost':
    case 'user_never_came':
    case 'room_gone':
      return 'gone';
    default:
      return record.status === 'failed' ? 'agent-failed' : null;
  }
}

export function isOver(record: SessionRecord): boolean {
  return record.status === 'ended' || record.status === 'failed' || record.status === 'ending';
}
