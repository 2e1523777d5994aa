import { describe, expect, it } from 'vitest';
import { ApiError, endOf, HttpSessionApi, isOver } from '../src/core/api';

function answering(status: number, body: unknown): { api: HttpSessionApi; requests: Request[] } {
  const requests: Request[] = [];
  const api = new HttpSessionApi('http://majlis.test', (input, init) => {
    requests.push(new Request(input, init));
    const text = typeof body === 'string' ? body : JSON.stringify(body);
    return Promise.resolve(new Response(text, { status }));
  });
  return { api, requests };
}

const ADMISSION = {
  sessionId: 'session_1_a',
  token: 't',
  serverUrl: 'ws://rooms',
  roomName: 'session_1_a',
};

describe('starting', () => {
  it('sends what the contract names, and takes from the answer what it needs', async () => {
    const { api, requests } = answering(200, { success: true, message: '…', ...ADMISSION });
    expect(await api.start({ language: 'ar-EG', userName: 'Mona' })).toEqual(ADMISSION);
    expect(requests[0]?.url).toBe('http://majlis.test/api/session/start');
    expect(await requests[0]?.json()).toEqual({ language: 'ar-EG', userName: 'Mona' });
  });

  it.each([
    [429, 'busy', true],
    [503, 'unavailable', true],
    [500, 'unavailable', true],
    [401, 'forbidden', false],
    [403, 'forbidden', false],
    [404, 'gone', false],
    [422, 'rejected', false],
  ])('translates %i into %s', async (status, problem, retryable) => {
    const { api } = answering(status, { success: false, error: { code: 'x', message: 'x' } });
    await expect(api.start({ language: 'en-US' })).rejects.toMatchObject({ problem, retryable });
  });

  it('takes a page of a proxy or an answer without a token for a failure', async () => {
    for (const body of ['<html>', { ...ADMISSION, token: undefined }]) {
      const { api } = answering(200, body);
      await expect(api.start({ language: 'en-US' })).rejects.toBeInstanceOf(ApiError);
    }
  });

  it('calls an unreachable server the network', async () => {
    const api = new HttpSessionApi('', () => Promise.reject(new TypeError('Failed to fetch')));
    await expect(api.start({ language: 'en-US' })).rejects.toMatchObject({ problem: 'network' });
  });
});

describe('a session record', () => {
  it('is over when it ended, failed or is about to', () => {
    const over = ['queued', 'spawning', 'ready', 'active', 'ending', 'ended', 'failed'].filter(
      (status) => isOver({ status, endReason: null }),
    );
    expect(over).toEqual(['ending', 'ended', 'failed']);
  });

  it.each([
    ['requested', null],
    ['user_left', null],
    ['idle', 'idle-timeout'],
    ['drained', 'maintenance'],
    ['agent_failed', 'agent-failed'],
    ['not_placed', 'agent-failed'],
    ['user_lost', 'gone'],
    ['something_new', null],
  ])('that ended because of %s is told as %s', (endReason, problem) => {
    expect(endOf({ status: 'ended', endReason })).toBe(problem);
  });

  it('that failed without a reason is told as a failure', () => {
    expect(endOf({ status: 'failed', endReason: null })).toBe('agent-failed');
  });
});
