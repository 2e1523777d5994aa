/**
 * The words of both sides, as they come in and as they stand in the end.
 *
 * A caption is one segment of LiveKit's `lk.transcription`; what is typed becomes one too.
 */

export type Role = 'user' | 'assistant';

/** One passage that an answer rests on. */
export interface Source {
  readonly filename: string;
  readonly chunkIndex: number;
  /** 0..1, where 1 is a perfect match. */
  readonly score: number;
  readonly preview: string;
}

export interface Caption {
  readonly id: string;
  readonly role: Role;
  readonly text: string;
  readonly final: boolean;
  readonly sources: readonly Source[];
}

export interface Captions {
  /** Oldest first. */
  readonly lines: readonly Caption[];
  /** Sources that came before the first word of their answer. */
  readonly pending: readonly Source[];
}

export type CaptionEvent =
  /** The segment's whole text so far. */
  | {
      readonly type: 'segment';
      readonly id: string;
      readonly role: Role;
      readonly text: string;
      readonly final: boolean;
    }
  | { readonly type: 'sources'; readonly sources: readonly Source[] }
  /** Whoever was speaking is gone: what is there is all there will be. */
  | { readonly type: 'settle' }
  | { readonly type: 'clear' };

/** Older lines leave, so that neither the page nor what it remembers grows without end. */
export const MAX_LINES = 200;

export const NO_CAPTIONS: Captions = { lines: [], pending: [] };

export function caption(captions: Captions, event: CaptionEvent): Captions {
  switch (event.type) {
    case 'segment':
      return segment(captions, event);
    case 'sources':
      return cite(captions, event.sources);
    case 'settle':
      return { lines: captions.lines.map((line) => ({ ...line, final: true })), pending: [] };
    case 'clear':
      return NO_CAPTIONS;
  }
}

function segment(
  captions: Captions,
  { id, role, text, final }: Extract<CaptionEvent, { type: 'segment' }>,
): Captions {
  const known = captions.lines.find((line) => line.id === id);
  if (known?.final === true && !final) return captions;
  if (known !== undefined) {
    const line = { ...known, text: text === '' ? known.text : text, final };
    return { ...captions, lines: captions.lines.map((other) => (other === known ? line : other)) };
  }
  if (text === '') return captions;
  const sources = role === 'assistant' ? captions.pending : [];
  const lines = [...captions.lines, { id, role, text, final, sources }].slice(-MAX_LINES);
  return { lines, pending: role === 'assistant' ? [] : captions.pending };
}

/** Sources belong to the answer being given or just given, or to the next if there is none. */
function cite(captions: Captions, sources: readonly Source[]): Captions {
  const last = captions.lines.at(-1);
  const answered = last?.final === true && last.sources.length > 0;
  if (last?.role !== 'assistant' || answered) return { ...captions, pending: sources };
  return { ...captions, lines: [...captions.lines.slice(0, -1), { ...last, sources }] };
}
