import type { Conversation } from '../core/conversation';
import type { SessionState } from '../core/session';
import { useLanguage } from '../i18n/language';
import type { Strings } from '../i18n/strings';

interface NoticesProps {
  readonly session: SessionState;
  readonly conversation: Conversation;
}

/** What is wrong and what can be done, above the conversation. */
export function Notices({ session, conversation }: NoticesProps) {
  const { strings } = useLanguage();
  const link = linkNotice(session, strings);
  const microphone = microphoneNotice(session, strings);
  return (
    <div className="notices">
      {link !== null && (
        <p className="notice link" role="alert">
          <span className="spinner" aria-hidden="true" />
          {link}
        </p>
      )}
      {microphone !== null && (
        <div className="notice" role="alert">
          <p>{microphone}</p>
          {session.microphone !== 'insecure' && (
            <button className="quiet" onClick={() => void conversation.retryMicrophone()}>
              {strings.tryAgain}
            </button>
          )}
        </div>
      )}
      {session.agent?.hears === false && (
        <p className="notice" role="status">
          {strings.noSpeech}
        </p>
      )}
      {session.agent?.speaks === false && (
        <p className="notice" role="status">
          {strings.noVoice}
        </p>
      )}
    </div>
  );
}

function linkNotice({ phase, late }: SessionState, strings: Strings): string | null {
  if (phase === 'reconnecting') return strings.reconnecting;
  if (phase === 'rejoining') return strings.rejoining;
  return late ? strings.late : null;
}

function microphoneNotice({ phase, microphone }: SessionState, strings: Strings): string | null {
  switch (microphone) {
    case 'off':
    case 'asking':
    case 'live':
    case 'muted':
      return null;
    default:
      return phase === 'ending' || phase === 'ended' ? null : strings.microphone[microphone];
  }
}
