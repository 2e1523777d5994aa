/**
 * What state a conversation is in: one table of phases and events.
 *
 * The network delivers late and twice, so an event that a phase has no row for changes nothing.
 */

export type Phase =
  /** Nothing has been asked for. */
  | 'idle'
  /** The page was reloaded; asking whether the session that it remembers still lives. */
  | 'resuming'
  /** A session has been asked for. */
  | 'starting'
  /** On the way into the room for the first time since the page was loaded. */
  | 'joining'
  /** In the room. */
  | 'joined'
  /** The link has dropped and LiveKit's client is mending it. */
  | 'reconnecting'
  /** LiveKit's client has given up; joining anew with the same token. */
  | 'rejoining'
  | 'ending'
  | 'ended';

/** Why something did not work, or why the conversation is over. The words are in `i18n`. */
export type Problem =
  /** All capacity is in use, or too many requests. */
  | 'busy'
  /** The server cannot reach what it needs. */
  | 'unavailable'
  /** This page cannot reach the server. */
  | 'network'
  /** The server wants credentials that this page does not have. */
  | 'forbidden'
  /** The server did not accept the request. */
  | 'rejected'
  /** The room would not let us in, or could not be reached for too long. */
  | 'unreachable'
  | 'duplicate'
  | 'gone'
  | 'idle-timeout'
  | 'maintenance'
  | 'agent-failed';

export type MicrophoneState =
  'off' | 'asking' | 'live' | 'muted' | 'blocked' | 'missing' | 'in-use' | 'insecure' | 'failed';

/** The values of the attribute `lk.agent.state`. */
export type AgentState = 'initializing' | 'idle' | 'listening' | 'thinking' | 'speaking';

export interface Agent {
  readonly state: AgentState;
  /** Whether it can hear this conversation's language, or only read. */
  readonly hears: boolean;
  /** Whether its answers can be heard, or only read. */
  readonly speaks: boolean;
}

export interface SessionState {
  readonly phase: Phase;
  readonly problem: Problem | null;
  readonly microphone: MicrophoneState;
  /** Null while no agent is in the room. */
  readonly agent: Agent | null;
  /** The agent has let us wait for longer than it should. */
  readonly late: boolean;
}

export type SessionEvent =
  | { readonly type: 'talk' }
  | { readonly type: 'resume' }
  | { readonly type: 'admitted' }
  | { readonly type: 'refused'; readonly problem: Problem }
  | { readonly type: 'forgotten'; readonly problem: Problem }
  | { readonly type: 'joined' }
  | { readonly type: 'interrupted' }
  | { readonly type: 'lost' }
  | { readonly type: 'end' }
  | { readonly type: 'over'; readonly problem: Problem | null }
  | { readonly type: 'close' }
  | { readonly type: 'microphone'; readonly state: MicrophoneState }
  | { readonly type: 'agent'; readonly agent: Agent | null }
  | { readonly type: 'late' };

/** Events that move between phases. */
type Move = Exclude<SessionEvent['type'], 'microphone' | 'agent' | 'late'>;

export const TRANSITIONS: Readonly<Record<Phase, Readonly<Partial<Record<Move, Phase>>>>> = {
  idle: { talk: 'starting', resume: 'resuming' },
  resuming: { admitted: 'joining', forgotten: 'idle', end: 'ending' },
  starting: { admitted: 'joining', refused: 'idle', end: 'ending' },
  joining: { joined: 'joined', lost: 'rejoining', over: 'ended', end: 'ending' },
  joined: { interrupted: 'reconnecting', lost: 'rejoining', over: 'ended', end: 'ending' },
  reconnecting: { joined: 'joined', lost: 'rejoining', over: 'ended', end: 'ending' },
  rejoining: { joined: 'joined', over: 'ended', end: 'ending' },
  ending: { over: 'ended' },
  ended: { talk: 'starting', close: 'idle' },
};

export const INITIAL: SessionState = {
  phase: 'idle',
  problem: null,
  microphone: 'off',
  agent: null,
  late: false,
};

export function reduce(state: SessionState, event: SessionEvent): SessionState {
  switch (event.type) {
    case 'microphone':
      return { ...state, microphone: event.state };
    case 'agent':
      return inRoom(state.phase)
        ? { ...state, agent: event.agent, late: event.agent === null && state.late }
        : state;
    case 'late':
      return inRoom(state.phase) && state.agent === null ? { ...state, late: true } : state;
    default:
      return move(state, event);
  }
}

function move(state: SessionState, event: Extract<SessionEvent, { type: Move }>): SessionState {
  const phase = TRANSITIONS[state.phase][event.type];
  if (phase === undefined) return state;
  const problem = 'problem' in event ? event.problem : null;
  if (phase === 'idle' || phase === 'ended') return { ...INITIAL, phase, problem };
  if (phase === 'rejoining') return { ...state, phase, problem, agent: null, late: false };
  return { ...state, phase, problem };
}

/** Whether the session is under way, reachable or not. */
export function inRoom(phase: Phase): boolean {
  return (
    phase === 'joining' || phase === 'joined' || phase === 'reconnecting' || phase === 'rejoining'
  );
}
