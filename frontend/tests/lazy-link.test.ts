import { expect, it } from 'vitest';
import type { LinkEvent } from '../src/core/link';
import { LazyLink } from '../src/room/lazy-link';
import { FakeLink } from './fakes';

/** A link that comes, or does not, when it is told to. */
function lazy() {
  const real = new FakeLink();
  const loads: { resolve: (link: FakeLink) => void; reject: (error: Error) => void }[] = [];
  const link = new LazyLink(
    () => new Promise<FakeLink>((resolve, reject) => loads.push({ resolve, reject })),
  );
  return { link, real, loads };
}

it('loads once, at its first use, and then passes everything on', async () => {
  const { link, real, loads } = lazy();
  const events: LinkEvent[] = [];
  link.onEvent = (event) => events.push(event);
  await link.disconnect();
  await link.closeMicrophone();
  expect(loads).toHaveLength(0);

  const opened = link.openMicrophone();
  const connected = link.connect('ws://rooms', 'token');
  loads[0]?.resolve(real);
  await Promise.all([opened, connected]);
  await link.publishMicrophone(false);
  await link.sendText('Hello');
  expect(loads).toHaveLength(1);
  expect(real).toMatchObject({ connected: true, microphone: 'live', sent: ['Hello'] });

  real.onEvent({ type: 'restored' });
  expect(events).toEqual([{ type: 'restored' }]);
  await link.muteMicrophone(true);
  expect(real.microphone).toBe('muted');
  await link.closeMicrophone();
  await link.disconnect();
  expect(real).toMatchObject({ connected: false, microphone: 'closed' });
});

it('is left in the end by who ended while it was loading', async () => {
  const { link, real, loads } = lazy();
  const connected = link.connect('ws://rooms', 'token');
  const disconnected = link.disconnect();
  loads[0]?.resolve(real);
  await Promise.all([connected, disconnected]);
  expect(real.tokens).toEqual(['token']);
  expect(real.connected).toBe(false);
});

it('is loaded anew when that has failed, and can be closed all the same', async () => {
  const { link, real, loads } = lazy();
  const connected = link.connect('ws://rooms', 'token');
  const disconnected = link.disconnect();
  loads[0]?.reject(new Error('offline'));
  await expect(connected).rejects.toThrow('offline');
  await disconnected;

  const again = link.connect('ws://rooms', 'token');
  loads[1]?.resolve(real);
  await again;
  expect(real.connected).toBe(true);
});
