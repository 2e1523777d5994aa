import { useState } from 'react';
import type { Conversation } from '../core/conversation';
import type { SessionState } from '../core/session';
import { useLanguage } from '../i18n/language';
import { SendIcon } from './icons';

interface ComposerProps {
  readonly session: SessionState;
  readonly conversation: Conversation;
}

/** Typed input. What is typed stays until it has been sent. */
export function Composer({ session, conversation }: ComposerProps) {
  const { strings } = useLanguage();
  const [text, setText] = useState('');
  const [failed, setFailed] = useState(false);
  const ready = session.phase === 'joined' && session.agent !== null;
  const send = async () => {
    const message = text.trim();
    if (message === '' || !ready) return;
    setText('');
    const sent = await conversation.say(message);
    setFailed(!sent);
    if (!sent) setText((typed) => (typed === '' ? message : typed));
  };
  return (
    <form
      className="composer"
      onSubmit={(event) => {
        event.preventDefault();
        void send();
      }}
    >
      <input
        className="field"
        dir="auto"
        aria-label={strings.type}
        placeholder={strings.type}
        maxLength={2000}
        autoComplete="off"
        enterKeyHint="send"
        value={text}
        onChange={(event) => setText(event.target.value)}
      />
      <button
        className="round primary"
        type="submit"
        aria-label={strings.send}
        title={strings.send}
        disabled={!ready || text.trim() === ''}
      >
        <SendIcon />
      </button>
      {failed && (
        <p className="problem" role="alert">
          {strings.notSent}
        </p>
      )}
    </form>
  );
}
