/** LiveKit's client is most of the page's code: it comes while the page is already there. */
export const loadRoom = () => import('./in-room');

const RETRY_MS = 2_000;

/** As `load` gives, however often that takes. */
export async function patiently<T>(load: () => Promise<T>): Promise<T> {
  for (;;) {
    try {
      return await load();
    } catch {
      await new Promise((resolve) => setTimeout(resolve, RETRY_MS));
    }
  }
}
