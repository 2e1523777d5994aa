import type { Conversation } from '../core/conversation';
import type { SessionState } from '../core/session';
import { useLanguage } from '../i18n/language';
import { EndIcon, MicrophoneIcon, MutedIcon } from './icons';

interface ControlsProps {
  readonly session: SessionState;
  readonly conversation: Conversation;
}

export function Controls({ session, conversation }: ControlsProps) {
  const { strings } = useLanguage();
  const muted = session.microphone !== 'live';
  const label = muted ? strings.unmute : strings.mute;
  return (
    <div className="controls">
      <button
        className="round"
        aria-pressed={muted}
        aria-label={label}
        title={label}
        disabled={session.microphone !== 'live' && session.microphone !== 'muted'}
        onClick={() => void conversation.mute(!muted)}
      >
        {muted ? <MutedIcon /> : <MicrophoneIcon />}
      </button>
      <button
        className="end"
        disabled={session.phase === 'ending'}
        onClick={() => void conversation.end()}
      >
        <EndIcon />
        {strings.end}
      </button>
    </div>
  );
}
