/** The two WebSocket protocols from a client's side: what is sent, and what a message means. Pure. */

export type ProtocolName = 'conversation' | 'orchestrate';

/** What came, as far as the page acts on it. */
export type Meaning =
  | { readonly kind: 'ready' }
  | { readonly kind: 'state'; readonly state: string }
  /** One chunk, a file by itself. */
  | { readonly kind: 'audio'; readonly base64: string; readonly last: boolean }
  /** No audio comes after what came. */
  | { readonly kind: 'audioEnd' }
  | { readonly kind: 'stop' }
  | { readonly kind: 'other' };

export interface Protocol {
  readonly path: string;
  /** The client says when its turn is over; else the server finds out. */
  readonly manualTurns: boolean;
  /** To send once connected. */
  readonly hello: readonly object[];
  interrupt(): object | null;
  playbackDone(): object | null;
  read(message: Message): Meaning;
}

export type Message = Readonly<Record<string, unknown>>;

const OTHER: Meaning = { kind: 'other' };

function text(message: Message, field: string): string {
  const value = message[field];
  return typeof value === 'string' ? value : '';
}

const conversation: Protocol = {
  path: '/ws/conversation',
  manualTurns: true,
  hello: [],
  interrupt: () => null,
  playbackDone: () => null,
  read(message) {
    switch (message.type) {
      case 'ready':
        return { kind: 'ready' };
      case 'state_update':
        return { kind: 'state', state: text(message, 'state') };
      case 'audio_chunk_tts':
        return {
          kind: 'audio',
          base64: text(message, 'audio_data'),
          last: message.is_final_chunk === true,
        };
      default:
        return OTHER;
    }
  },
};

const orchestrate: Protocol = {
  path: '/orchestrate',
  manualTurns: false,
  hello: [{ type: 'start_session', mode: 'conversation' }],
  interrupt: () => ({ type: 'interrupt', reason: 'user_speaking', timestamp: Date.now() / 1000 }),
  playbackDone: () => ({ type: 'playback_done', timestamp: Date.now() / 1000 }),
  read(message) {
    switch (message.type) {
      case 'session_ready':
        return { kind: 'ready' };
      case 'state_update':
        return { kind: 'state', state: text(message, 'state') };
      case 'audio_chunk': {
        const base64 = text(message, 'audio');
        const last = message.is_final === true;
        if (!base64) return last ? { kind: 'audioEnd' } : OTHER;
        return { kind: 'audio', base64, last };
      }
      case 'playback_control':
        return message.action === 'stop' ? { kind: 'stop' } : OTHER;
      default:
        return OTHER;
    }
  },
};

export const PROTOCOLS: Readonly<Record<ProtocolName, Protocol>> = { conversation, orchestrate };

/** Where to connect: this page's own server, with what the form asks for. */
export function socketUrl(page: URL, path: string, wishes: Iterable<[string, string]>): string {
  const url = new URL(path, page);
  url.protocol = page.protocol === 'https:' ? 'wss:' : 'ws:';
  for (const [name, value] of wishes) if (value) url.searchParams.set(name, value);
  return url.href;
}

const SHOWN_CHARACTERS = 60;

/** A message as one line, with long texts cut. */
export function shortened(message: Message): string {
  return JSON.stringify(message, (_key, value: unknown) =>
    typeof value === 'string' && value.length > SHOWN_CHARACTERS
      ? `${value.slice(0, SHOWN_CHARACTERS)}… (${value.length})`
      : value,
  );
}

/** A name for the step that a message is, for the table of latencies; null: not worth a row. */
export function step(message: Message): string | null {
  const type = text(message, 'type');
  if (type === 'state_update') return `state ${text(message, 'state')}`;
  if (type === 'transcript') return message.is_final === true ? 'transcript' : 'interim transcript';
  if (type === 'audio_chunk_tts' || type === 'audio_chunk') return 'first audio';
  return type || null;
}
