import { useState } from 'react';
import type { Conversation } from '../core/conversation';
import type { SessionState } from '../core/session';
import { useLanguage } from '../i18n/language';
import { LOCALES } from '../i18n/strings';
import { MicrophoneIcon } from './icons';

interface StartProps {
  readonly session: SessionState;
  readonly conversation: Conversation;
}

export function Start({ session, conversation }: StartProps) {
  const { language, strings } = useLanguage();
  const [name, setName] = useState('');
  const starting = session.phase === 'starting';
  return (
    <main className="start">
      <h1>{strings.headline}</h1>
      <p className="intro">{strings.intro}</p>
      <form
        onSubmit={(event) => {
          event.preventDefault();
          void conversation.talk(LOCALES[language], name.trim());
        }}
      >
        <input
          className="field"
          dir="auto"
          aria-label={strings.name}
          placeholder={strings.name}
          maxLength={60}
          autoComplete="given-name"
          value={name}
          disabled={starting}
          onChange={(event) => setName(event.target.value)}
        />
        <button className="talk" type="submit" disabled={starting} aria-busy={starting}>
          <MicrophoneIcon />
          {strings.talk}
        </button>
      </form>
      <p className="below" role="status">
        {starting && (session.microphone === 'asking' ? strings.asking : strings.starting)}
      </p>
      {session.problem !== null && (
        <p className="notice problem" role="alert">
          {strings.problem[session.problem]}
        </p>
      )}
    </main>
  );
}
