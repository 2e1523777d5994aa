import { lazy, Suspense } from 'react';
import type { Captions } from '../core/captions';
import type { Conversation } from '../core/conversation';
import type { SessionState } from '../core/session';
import { useLanguage } from '../i18n/language';
import { LOCALES } from '../i18n/strings';
import { loadRoom, patiently } from '../room/load';
import { Composer } from './composer';
import { Controls } from './controls';
import { Notices } from './notices';
import { Presence } from './presence';
import { Transcript } from './transcript';

const Sound = lazy(async () => ({ default: (await patiently(loadRoom)).Sound }));

interface CallProps {
  readonly session: SessionState;
  readonly captions: Captions;
  readonly conversation: Conversation;
}

export function Call({ session, captions, conversation }: CallProps) {
  const ended = session.phase === 'ended';
  return (
    <main className="call">
      <Notices session={session} conversation={conversation} />
      <Transcript lines={captions.lines} waiting={!ended} />
      {ended ? (
        <Ended session={session} conversation={conversation} />
      ) : (
        <footer className="dock">
          <div className="bar">
            <Presence session={session} />
            <Controls session={session} conversation={conversation} />
          </div>
          <Composer session={session} conversation={conversation} />
        </footer>
      )}
      <Suspense>
        <Sound />
      </Suspense>
    </main>
  );
}

function Ended({ session, conversation }: Omit<CallProps, 'captions'>) {
  const { language, strings } = useLanguage();
  return (
    <footer className="dock over">
      <p role="status">{session.problem ? strings.problem[session.problem] : strings.ended}</p>
      <div className="bar">
        <button className="quiet" onClick={() => conversation.close()}>
          {strings.back}
        </button>
        <button
          className="primary"
          autoFocus
          onClick={() => void conversation.talk(LOCALES[language], '')}
        >
          {strings.talkAgain}
        </button>
      </div>
    </footer>
  );
}
