import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import { ApiError } from '../src/core/api';
import { Conversation, LATE_MS, POLL_MS, REJOIN_FOR_MS } from '../src/core/conversation';
import { LinkError, MicrophoneError } from '../src/core/link';
import { Memory } from '../src/core/memory';
import { ADMISSION, FakeApi, FakeLink, FakeStore, LISTENING } from './fakes';

function page(store = new FakeStore()) {
  const api = new FakeApi();
  const link = new FakeLink();
  const conversation = new Conversation(api, link, new Memory(store));
  return { api, link, store, conversation, session: () => conversation.snapshot().session };
}

async function talking() {
  const parts = page();
  await parts.conversation.talk('en-US', 'Jane');
  parts.link.onEvent({ type: 'agent', agent: LISTENING });
  return parts;
}

function lines({ conversation }: { conversation: Conversation }): string[] {
  return conversation.snapshot().captions.lines.map(({ text }) => text);
}

beforeEach(() => void vi.useFakeTimers());
afterEach(() => void vi.useRealTimers());

describe('talking', () => {
  it('starts a session in the language, joins with its token, and sends the microphone', async () => {
    const { api, link, session } = await talking();
    expect(api.started).toEqual([{ language: 'en-US', userName: 'Jane' }]);
    expect(link.tokens).toEqual(['first-token']);
    expect(link.microphone).toBe('live');
    expect(session()).toMatchObject({ phase: 'joined', microphone: 'live', agent: LISTENING });
  });

  it('starts one session however often the button is pressed', async () => {
    const { api, conversation } = page();
    await Promise.all([conversation.talk('en-US', ''), conversation.talk('en-US', '')]);
    expect(api.started).toEqual([{ language: 'en-US' }]);
  });

  it('says why it was refused, and lets go of the microphone', async () => {
    const { api, link, conversation, session } = page();
    api.failure = new ApiError('busy', true);
    await conversation.talk('en-US', '');
    expect(session()).toMatchObject({ phase: 'idle', problem: 'busy', microphone: 'off' });
    expect(link.microphone).toBe('closed');
  });

  it('goes on without a microphone, which may come later', async () => {
    const { link, conversation, session } = page();
    link.microphoneFailure = new MicrophoneError('blocked');
    await conversation.talk('en-US', '');
    expect(session()).toMatchObject({ phase: 'joined', microphone: 'blocked' });
    expect(await conversation.say('hello')).toBe(true);
    link.microphoneFailure = null;
    await conversation.retryMicrophone();
    expect(session().microphone).toBe('live');
  });

  it('stops recording for an agent that cannot hear the language', async () => {
    const { link, session } = await talking();
    link.onEvent({ type: 'agent', agent: { ...LISTENING, hears: false } });
    await vi.advanceTimersByTimeAsync(0);
    expect(link.microphone).toBe('closed');
    expect(session().microphone).toBe('off');
  });

  it('complains of no microphone that was let go while it was being published', async () => {
    const { link, conversation, session } = page();
    let publish: () => void = () => undefined;
    link.publishing = new Promise((resolve) => (publish = resolve));
    const talk = conversation.talk('ar-EG', '');
    await vi.advanceTimersByTimeAsync(0);
    link.onEvent({ type: 'agent', agent: { ...LISTENING, hears: false } });
    await vi.advanceTimersByTimeAsync(0);
    publish();
    await talk;
    expect(session().microphone).toBe('off');
  });

  it('keeps what could not be sent out of the captions', async () => {
    const parts = await talking();
    parts.link.sendFailure = new Error('down');
    expect(await parts.conversation.say('lost')).toBe(false);
    parts.link.sendFailure = null;
    expect(await parts.conversation.say('heard')).toBe(true);
    expect(lines(parts)).toEqual(['heard']);
  });
});

describe('ending', () => {
  it('ends the session for everybody and forgets it', async () => {
    const { api, link, store, conversation, session } = await talking();
    await conversation.end();
    expect(api.ended).toEqual([ADMISSION.sessionId]);
    expect(link).toMatchObject({ connected: false, microphone: 'closed' });
    expect(session().phase).toBe('ended');
    expect(store.items.size).toBe(0);
  });

  it('while the session is still being made does not leave it behind', async () => {
    const { api, link, conversation, session } = page();
    let open: () => void = () => undefined;
    api.gate = new Promise((resolve) => (open = resolve));
    const talk = conversation.talk('en-US', '');
    await conversation.end();
    open();
    await talk;
    expect(api.ended).toEqual([ADMISSION.sessionId]);
    expect(link.tokens).toEqual([]);
    expect(session().phase).toBe('ended');
  });

  it('works without the server: nobody is held in a call', async () => {
    const { api, conversation, session } = await talking();
    api.failure = new ApiError('network', true);
    await conversation.end();
    expect(session().phase).toBe('ended');
  });

  it('by the other side is told with its reason', async () => {
    const { api, link, store, session } = await talking();
    api.record = { status: 'ended', endReason: 'idle' };
    link.onEvent({ type: 'parted', why: 'removed' });
    await vi.advanceTimersByTimeAsync(0);
    expect(session()).toMatchObject({ phase: 'ended', problem: 'idle-timeout' });
    expect(store.items.size).toBe(0);
  });
});

describe('a dropped link', () => {
  it('is told, and mended by the client itself', async () => {
    const { link, session } = await talking();
    link.onEvent({ type: 'interrupted' });
    expect(session().phase).toBe('reconnecting');
    link.onEvent({ type: 'restored' });
    expect(session()).toMatchObject({ phase: 'joined', agent: LISTENING });
  });

  it('that the client gives up is joined anew, with the freshest token', async () => {
    const { link, session } = await talking();
    link.onEvent({ type: 'token', token: 'second-token' });
    link.refusals = [new LinkError(true), new LinkError(true)];
    link.onEvent({ type: 'parted', why: 'lost' });
    expect(session().phase).toBe('rejoining');
    await vi.advanceTimersByTimeAsync(10_000);
    expect(link.tokens.slice(1)).toEqual(['second-token', 'second-token', 'second-token']);
    expect(session()).toMatchObject({ phase: 'joined', microphone: 'live' });
  });

  it('is not mended into a session that has ended meanwhile', async () => {
    const { api, link, session } = await talking();
    api.record = { status: 'ended', endReason: 'user_lost' };
    link.onEvent({ type: 'parted', why: 'lost' });
    await vi.advanceTimersByTimeAsync(10_000);
    expect(session()).toMatchObject({ phase: 'ended', problem: 'gone' });
    expect(link.tokens).toHaveLength(1);
  });

  it('is given up when nothing can be reached for too long', async () => {
    const { api, link, session } = await talking();
    api.failure = new ApiError('network', true);
    link.refusals = Array.from({ length: 1000 }, () => new LinkError(true));
    link.onEvent({ type: 'parted', why: 'lost' });
    await vi.advanceTimersByTimeAsync(REJOIN_FOR_MS - 10_000);
    expect(session().phase).toBe('rejoining');
    await vi.advanceTimersByTimeAsync(20_000);
    expect(session()).toMatchObject({ phase: 'ended', problem: 'unreachable' });
  });

  it('because another tab took the conversation over is left to that tab', async () => {
    const { link, session } = await talking();
    link.onEvent({ type: 'parted', why: 'duplicate' });
    await vi.advanceTimersByTimeAsync(REJOIN_FOR_MS);
    expect(session()).toMatchObject({ phase: 'ended', problem: 'duplicate' });
    expect(link.tokens).toHaveLength(1);
  });

  it('can be ended while it is being mended', async () => {
    const { link, conversation, session } = await talking();
    link.refusals = [new LinkError(true)];
    link.onEvent({ type: 'parted', why: 'lost' });
    await conversation.end();
    await vi.advanceTimersByTimeAsync(30_000);
    expect(session().phase).toBe('ended');
    expect(link.tokens).toHaveLength(1);
  });

  it('at the first join is mended too, but not when the room refuses us', async () => {
    const mended = page();
    mended.link.refusals = [new LinkError(true)];
    const talk = mended.conversation.talk('en-US', '');
    await vi.advanceTimersByTimeAsync(5_000);
    await talk;
    expect(mended.session().phase).toBe('joined');

    const refused = page();
    refused.link.refusals = [new LinkError(false)];
    await refused.conversation.talk('en-US', '');
    expect(refused.session()).toMatchObject({ phase: 'ended', problem: 'unreachable' });
  });
});

describe('an agent that does not come', () => {
  it('is said to be late after a while, and no longer when it has come', async () => {
    const { link, conversation, session } = page();
    await conversation.talk('en-US', '');
    await vi.advanceTimersByTimeAsync(LATE_MS - POLL_MS);
    expect(session().late).toBe(false);
    await vi.advanceTimersByTimeAsync(2 * POLL_MS);
    expect(session().late).toBe(true);
    link.onEvent({ type: 'agent', agent: LISTENING });
    expect(session().late).toBe(false);
  });

  it('because its session failed is said at once', async () => {
    const { api, conversation, session } = page();
    await conversation.talk('en-US', '');
    api.record = { status: 'failed', endReason: 'not_placed' };
    await vi.advanceTimersByTimeAsync(2 * POLL_MS);
    expect(session()).toMatchObject({ phase: 'ended', problem: 'agent-failed' });
  });

  it('leaves its last words standing', async () => {
    const parts = await talking();
    parts.link.onEvent({ type: 'segment', id: 'a', role: 'assistant', text: 'It', final: false });
    parts.link.onEvent({ type: 'agent', agent: null });
    expect(parts.conversation.snapshot().captions.lines).toMatchObject([{ final: true }]);
  });
});

describe('a reload', () => {
  it('comes back into the same session, with what was said and the microphone as it was', async () => {
    const before = await talking();
    await before.conversation.say('hello');
    await before.conversation.mute(true);

    const after = page(before.store);
    await after.conversation.resume();
    expect(after.api.started).toEqual([]);
    expect(after.link.tokens).toEqual(['first-token']);
    expect(after.link.microphone).toBe('muted');
    expect(lines(after)).toEqual(['hello']);
  });

  it('after the session has ended goes to the start, and says so once', async () => {
    const { store } = await talking();
    const after = page(store);
    after.api.record = { status: 'ended', endReason: 'requested' };
    await after.conversation.resume();
    expect(after.session()).toMatchObject({ phase: 'idle', problem: 'gone' });
    expect(store.items.size).toBe(0);
  });

  it('while the server cannot be reached waits for it', async () => {
    const { store } = await talking();
    const after = page(store);
    after.api.failure = new ApiError('network', true);
    const resume = after.conversation.resume();
    await vi.advanceTimersByTimeAsync(3 * POLL_MS);
    expect(after.session().phase).toBe('resuming');
    after.api.failure = null;
    await vi.advanceTimersByTimeAsync(POLL_MS);
    await resume;
    expect(after.session().phase).toBe('joined');
  });

  it('of a page that was in no session does nothing', async () => {
    const { conversation, session } = page();
    await conversation.resume();
    expect(session().phase).toBe('idle');
  });

  it('with something else in the storage does nothing', async () => {
    const store = new FakeStore();
    store.setItem('majlis.session', '{"version":0}');
    const { conversation, session } = page(store);
    await conversation.resume();
    expect(session().phase).toBe('idle');
  });
});
