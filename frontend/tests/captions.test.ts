import { describe, expect, it } from 'vitest';
import {
  caption,
  MAX_LINES,
  NO_CAPTIONS,
  type CaptionEvent,
  type Captions,
  type Role,
  type Source,
} from '../src/core/captions';
import { parseSources } from '../src/core/sources';

function said(id: string, role: Role, text: string, final = true): CaptionEvent {
  return { type: 'segment', id, role, text, final };
}

function cited(...filenames: string[]): CaptionEvent {
  return { type: 'sources', sources: filenames.map(source) };
}

function source(filename: string): Source {
  return { filename, chunkIndex: 0, score: 0.8, preview: '' };
}

function play(...events: CaptionEvent[]): Captions {
  return events.reduce(caption, NO_CAPTIONS);
}

function texts({ lines }: Captions): string[] {
  return lines.map(({ text }) => text);
}

describe('segments', () => {
  it('grow in place: an interim result must not become a line of its own', () => {
    const captions = play(said('a', 'user', 'where', false), said('a', 'user', 'where is it'));
    expect(texts(captions)).toEqual(['where is it']);
    expect(captions.lines[0]?.final).toBe(true);
  });

  it('do not go back from final: streams of one segment may end out of order', () => {
    const captions = play(said('a', 'user', 'where is it'), said('a', 'user', 'where', false));
    expect(texts(captions)).toEqual(['where is it']);
  });

  it('stay in the order in which they began', () => {
    const captions = play(
      said('a', 'assistant', 'It is', false),
      said('b', 'user', 'wait', false),
      said('a', 'assistant', 'It is in'),
    );
    expect(texts(captions)).toEqual(['It is in', 'wait']);
  });

  it('without words make no empty bubble, and do not erase what was there', () => {
    expect(play(said('a', 'user', '', true)).lines).toEqual([]);
    const captions = play(said('a', 'assistant', 'Hello', false), said('a', 'assistant', ''));
    expect(captions.lines).toMatchObject([{ text: 'Hello', final: true }]);
  });

  it('stand as they are when their speaker is gone', () => {
    const captions = play(said('a', 'assistant', 'It is', false), { type: 'settle' });
    expect(captions.lines).toMatchObject([{ text: 'It is', final: true }]);
  });

  it('do not pile up without end', () => {
    const many = Array.from({ length: MAX_LINES + 5 }, (_, i) =>
      said(String(i), 'user', String(i)),
    );
    const captions = play(...many);
    expect(captions.lines).toHaveLength(MAX_LINES);
    expect(captions.lines.at(-1)?.text).toBe(String(MAX_LINES + 4));
  });
});

describe('sources', () => {
  it('that come before the answer wait for it, past the words of the user', () => {
    const captions = play(
      said('a', 'user', 'where', false),
      cited('a.md'),
      said('a', 'user', 'where is it'),
      said('b', 'assistant', 'Here', false),
    );
    expect(captions.lines.map(({ sources }) => sources.length)).toEqual([0, 1]);
    expect(captions.pending).toEqual([]);
  });

  it('that come during or just after the answer belong to it', () => {
    const during = play(said('b', 'assistant', 'Here', false), cited('a.md'));
    expect(during.lines[0]?.sources).toEqual([source('a.md')]);
    const after = play(said('b', 'assistant', 'Here'), cited('a.md'));
    expect(after.lines[0]?.sources).toEqual([source('a.md')]);
  });

  it('do not overwrite those of the answer before', () => {
    const captions = play(cited('a.md'), said('b', 'assistant', 'Here'), cited('b.md'));
    expect(captions.lines[0]?.sources).toEqual([source('a.md')]);
    expect(captions.pending).toEqual([source('b.md')]);
  });
});

describe('the message of majlis.sources', () => {
  it('is read field by field', () => {
    const message =
      '{"sources":[{"filename":"دليل.md","chunk_index":3,"similarity_score":0.5,"preview":"نص"}]}';
    expect(parseSources(message)).toEqual([
      { filename: 'دليل.md', chunkIndex: 3, score: 0.5, preview: 'نص' },
    ]);
  });

  it.each(['', 'no', 'null', '[]', '{}', '{"sources":null}', '{"sources":[1,{"x":1}]}'])(
    'that is broken costs the sources, not the page: %s',
    (message) => expect(parseSources(message)).toEqual([]),
  );
});
