/** All of the page that needs LiveKit's client; `load.ts` loads it. */

import {
  BarVisualizer,
  RoomAudioRenderer,
  RoomContext,
  useStartAudio,
  useVoiceAssistant,
} from '@livekit/components-react';
import { Room, setLogLevel } from 'livekit-client';
import type { AgentState } from '../core/session';
import { useLanguage } from '../i18n/language';
import { LiveKitLink } from './livekit-link';

setLogLevel('warn');
// A reload is no farewell: the room server keeps our place for the grace time.
const room = new Room({ disconnectOnPageLeave: false });

export const link = new LiveKitLink(room);

/** Bars that move with the assistant's voice. */
export function Bars({ state }: { state: AgentState | undefined }) {
  return (
    <RoomContext value={room}>
      <VoiceBars state={state} />
    </RoomContext>
  );
}

function VoiceBars({ state }: { state: AgentState | undefined }) {
  const { audioTrack } = useVoiceAssistant();
  return (
    <BarVisualizer
      className="bars"
      aria-hidden="true"
      barCount={5}
      options={{ minHeight: 18 }}
      state={state ?? 'connecting'}
      track={audioTrack}
    />
  );
}

/** What is heard of the room. */
export function Sound() {
  return (
    <RoomContext value={room}>
      <RoomAudioRenderer />
      <Silenced />
    </RoomContext>
  );
}

/** Browsers may keep a page silent until it is touched, as after a reload. */
function Silenced() {
  const { strings } = useLanguage();
  const { mergedProps, canPlayAudio } = useStartAudio({
    room,
    props: { className: 'primary silenced' },
  });
  if (canPlayAudio) return null;
  return (
    <button {...mergedProps} style={undefined}>
      {strings.hear}
    </button>
  );
}
