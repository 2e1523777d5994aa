import { RoomContext } from '@livekit/components-react';
import { Room, setLogLevel } from 'livekit-client';
import { StrictMode } from 'react';
import { createRoot } from 'react-dom/client';
import { HttpSessionApi } from './core/api';
import { Conversation } from './core/conversation';
import { Memory } from './core/memory';
import { LanguageProvider } from './i18n/language';
import { LiveKitLink } from './room/livekit-link';
import { App } from './ui/app';
import './ui/styles.css';

setLogLevel('warn');
// A reload is no farewell: the room server keeps our place for the grace time.
const room = new Room({ disconnectOnPageLeave: false });
const conversation = new Conversation(
  new HttpSessionApi(),
  new LiveKitLink(room),
  new Memory(sessionStorage),
);
void conversation.resume();

const root = document.getElementById('root');
if (root === null) throw new Error('index.html has no #root');
createRoot(root).render(
  <StrictMode>
    <LanguageProvider>
      <RoomContext value={room}>
        <App conversation={conversation} />
      </RoomContext>
    </LanguageProvider>
  </StrictMode>,
);
