import { useSyncExternalStore } from 'react';
import type { Conversation } from '../core/conversation';
import { useLanguage } from '../i18n/language';
import { Call } from './call';
import { Mark } from './icons';
import { Start } from './start';

export function App({ conversation }: { conversation: Conversation }) {
  const { session, captions } = useSyncExternalStore(conversation.subscribe, conversation.snapshot);
  const atStart = session.phase === 'idle' || session.phase === 'starting';
  return (
    <div className="page" data-phase={session.phase}>
      <Header />
      {atStart ? (
        <Start session={session} conversation={conversation} />
      ) : (
        <Call session={session} captions={captions} conversation={conversation} />
      )}
    </div>
  );
}

function Header() {
  const { language, strings, choose } = useLanguage();
  const other = language === 'en' ? 'ar' : 'en';
  return (
    <header className="header">
      <span className="brand">
        <Mark />
        {strings.title}
      </span>
      <button className="quiet" lang={other} onClick={() => choose(other)}>
        {strings.otherLanguage}
      </button>
    </header>
  );
}
