import { lazy, Suspense } from 'react';
import type { SessionState } from '../core/session';
import { useLanguage } from '../i18n/language';
import type { Strings } from '../i18n/strings';
import { loadRoom, patiently } from '../room/load';

const Bars = lazy(async () => ({ default: (await patiently(loadRoom)).Bars }));

/** What the assistant is doing, in a word and in bars that move with its voice. */
export function Presence({ session }: { session: SessionState }) {
  const { strings } = useLanguage();
  const state = session.phase === 'joined' ? session.agent?.state : undefined;
  return (
    <div className="presence" data-state={state ?? 'absent'}>
      <Suspense fallback={<div className="bars" />}>
        <Bars state={state} />
      </Suspense>
      <span role="status" data-testid="agent-state">
        {doing(session, strings)}
      </span>
    </div>
  );
}

function doing({ phase, agent, microphone }: SessionState, strings: Strings): string {
  switch (phase) {
    case 'resuming':
      return strings.resuming;
    case 'ending':
      return strings.ending;
    case 'joined':
      if (microphone === 'asking') return strings.asking;
      return agent === null ? strings.waiting : strings.agent[agent.state];
    default:
      return strings.joining;
  }
}
