import { StrictMode } from 'react';
import { createRoot } from 'react-dom/client';
import { HttpSessionApi } from './core/api';
import { Conversation } from './core/conversation';
import { Memory } from './core/memory';
import { LanguageProvider } from './i18n/language';
import { LazyLink } from './room/lazy-link';
import { loadRoom } from './room/load';
import { App } from './ui/app';
import './ui/styles.css';

const conversation = new Conversation(
  new HttpSessionApi(),
  new LazyLink(async () => (await loadRoom()).link),
  new Memory(sessionStorage),
);
void conversation.resume();

const root = document.getElementById('root');
if (root === null) throw new Error('index.html has no #root');
createRoot(root).render(
  <StrictMode>
    <LanguageProvider>
      <App conversation={conversation} />
    </LanguageProvider>
  </StrictMode>,
);
// Before anybody has pressed Talk.
void loadRoom().catch(() => undefined);
