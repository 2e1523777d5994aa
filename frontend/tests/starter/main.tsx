/**
 * LiveKit's stock frontend in its bare bones: the published parts that agent-starter-react is made
 * of, wired as it wires them, without its looks. It knows Majlis by `POST /api/token` only.
 */

import {
  RoomAudioRenderer,
  SessionProvider,
  useAgent,
  useSession,
  useSessionContext,
  useSessionMessages,
} from '@livekit/components-react';
import { TokenSource } from 'livekit-client';
import { useMemo, useState } from 'react';
import { createRoot } from 'react-dom/client';

function App() {
  const tokenSource = useMemo(() => TokenSource.endpoint('/api/token'), []);
  const session = useSession(tokenSource);
  return (
    <SessionProvider session={session}>
      {session.isConnected ? (
        <SessionView />
      ) : (
        <button onClick={() => void session.start()}>Start call</button>
      )}
      <RoomAudioRenderer />
    </SessionProvider>
  );
}

function SessionView() {
  const session = useSessionContext();
  const { messages, send } = useSessionMessages(session);
  const agent = useAgent(session);
  const [text, setText] = useState('');
  return (
    <>
      <output>{agent.state}</output>
      <ol>
        {messages.map(({ id, type, message }) => (
          <li key={id} data-type={type}>
            {message}
          </li>
        ))}
      </ol>
      <input value={text} onChange={(event) => setText(event.target.value)} />
      <button onClick={() => void send(text)}>Send</button>
      <button onClick={() => void session.end()}>End call</button>
    </>
  );
}

const root = document.getElementById('root');
if (root === null) throw new Error('index.html has no #root');
createRoot(root).render(<App />);
