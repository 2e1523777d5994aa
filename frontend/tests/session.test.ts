import { describe, expect, it } from 'vitest';
import {
  INITIAL,
  inRoom,
  reduce,
  TRANSITIONS,
  type Phase,
  type SessionEvent,
  type SessionState,
} from '../src/core/session';

const EVENTS: readonly SessionEvent[] = [
  { type: 'talk' },
  { type: 'resume' },
  { type: 'admitted' },
  { type: 'refused', problem: 'busy' },
  { type: 'forgotten', problem: 'gone' },
  { type: 'joined' },
  { type: 'interrupted' },
  { type: 'lost' },
  { type: 'end' },
  { type: 'over', problem: 'idle-timeout' },
  { type: 'close' },
];

const LISTENING = { state: 'listening', hears: true, speaks: true } as const;

function at(phase: Phase, change: Partial<SessionState> = {}): SessionState {
  return { ...INITIAL, phase, ...change };
}

/** The table, written down a second time by hand: a cell changed by accident shows. */
const EXPECTED: Record<Phase, string> = {
  idle: 'talk>starting resume>resuming',
  resuming: 'admitted>joining forgotten>idle end>ending',
  starting: 'admitted>joining refused>idle end>ending',
  joining: 'joined>joined lost>rejoining end>ending over>ended',
  joined: 'interrupted>reconnecting lost>rejoining end>ending over>ended',
  reconnecting: 'joined>joined lost>rejoining end>ending over>ended',
  rejoining: 'joined>joined end>ending over>ended',
  ending: 'over>ended',
  ended: 'talk>starting close>idle',
};

describe('the table of phases', () => {
  const phases = Object.keys(TRANSITIONS) as Phase[];

  it.each(phases)('from %s goes where it should, and nowhere else', (phase) => {
    const moves = EVENTS.flatMap((event) => {
      const before = at(phase);
      const after = reduce(before, event);
      return after === before ? [] : [`${event.type}>${after.phase}`];
    });
    expect(moves.join(' ')).toBe(EXPECTED[phase]);
  });
});

describe('what goes with a phase', () => {
  it('keeps why a start was refused, until the next try', () => {
    const refused = reduce(at('starting'), { type: 'refused', problem: 'busy' });
    expect(refused.problem).toBe('busy');
    expect(reduce(refused, { type: 'talk' }).problem).toBeNull();
  });

  it('forgets agent and microphone at the end, so that the next call starts clean', () => {
    const state = at('joined', { agent: LISTENING, microphone: 'live' });
    expect(reduce(state, { type: 'over', problem: null })).toEqual(at('ended'));
  });

  it('keeps the agent while the client mends the link, and forgets it when that fails', () => {
    const mending = reduce(at('joined', { agent: LISTENING }), { type: 'interrupted' });
    expect(mending.agent).toEqual(LISTENING);
    expect(reduce(mending, { type: 'lost' }).agent).toBeNull();
  });

  it('takes no agent into a conversation that is over: LiveKit tells of leavers last', () => {
    expect(reduce(at('ended'), { type: 'agent', agent: LISTENING }).agent).toBeNull();
  });

  it('says late only while an agent is missing, and takes it back when one comes', () => {
    expect(reduce(at('joined', { agent: LISTENING }), { type: 'late' }).late).toBe(false);
    const late = reduce(at('joined'), { type: 'late' });
    expect(late.late).toBe(true);
    expect(reduce(late, { type: 'agent', agent: LISTENING }).late).toBe(false);
  });

  it('counts the phases between admission and end as in the room', () => {
    const phases = (Object.keys(TRANSITIONS) as Phase[]).filter(inRoom);
    expect(phases).toEqual(['joining', 'joined', 'reconnecting', 'rejoining']);
  });
});
