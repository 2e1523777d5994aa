import { useLayoutEffect, useRef } from 'react';
import type { Caption, Source } from '../core/captions';
import { useLanguage } from '../i18n/language';

interface TranscriptProps {
  readonly lines: readonly Caption[];
  /** Whether more may come. */
  readonly waiting: boolean;
}

/** How far from the end, in pixels, still counts as reading along. */
const NEAR_END_PX = 120;

export function Transcript({ lines, waiting }: TranscriptProps) {
  const { strings } = useLanguage();
  const box = useRef<HTMLDivElement>(null);
  const following = useRef(true);
  useLayoutEffect(() => {
    if (following.current) box.current?.scrollTo({ top: box.current.scrollHeight });
  }, [lines]);
  return (
    <div
      className="transcript"
      ref={box}
      tabIndex={0}
      role="region"
      aria-label={strings.conversation}
      onScroll={({ currentTarget: { scrollHeight, scrollTop, clientHeight } }) => {
        following.current = scrollHeight - scrollTop - clientHeight < NEAR_END_PX;
      }}
    >
      {lines.length === 0 && waiting && <p className="hint">{strings.hint}</p>}
      <ol>
        {lines.map((line) => (
          <Line key={line.id} line={line} />
        ))}
      </ol>
      <Announcer lines={lines} />
    </div>
  );
}

function Line({ line }: { line: Caption }) {
  const { strings } = useLanguage();
  return (
    <li className="line" data-role={line.role} data-final={line.final}>
      <span className="who">{line.role === 'user' ? strings.you : strings.assistant}</span>
      <p className="words" dir="auto">
        {line.text}
      </p>
      {line.sources.length > 0 && <Sources sources={line.sources} />}
    </li>
  );
}

function Sources({ sources }: { sources: readonly Source[] }) {
  const { strings } = useLanguage();
  return (
    <details className="sources">
      <summary>
        {strings.sources}:{' '}
        <bdi>{[...new Set(sources.map(({ filename }) => filename))].join(' · ')}</bdi>
      </summary>
      <ul>
        {sources.map(({ filename, chunkIndex, preview }) => (
          <li key={`${filename}#${chunkIndex}`}>
            <bdi className="file">{filename}</bdi> <small>{strings.passage(chunkIndex + 1)}</small>
            <blockquote dir="auto">{preview}</blockquote>
          </li>
        ))}
      </ul>
    </details>
  );
}

/** Screen readers are told of a line once, when it stands, not of its every word. */
function Announcer({ lines }: { lines: readonly Caption[] }) {
  const { strings } = useLanguage();
  const last = lines.findLast(({ final }) => final);
  return (
    <p className="visually-hidden" role="log" aria-live="polite" aria-atomic="true">
      {last && `${last.role === 'user' ? strings.you : strings.assistant}: ${last.text}`}
    </p>
  );
}
