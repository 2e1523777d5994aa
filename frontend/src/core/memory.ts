/** What the page remembers over a reload: in the tab's own storage, gone with the tab. */

import type { Admission } from './api';
import type { Caption } from './captions';
import { isRecord } from './sources';

export interface Remembered {
  readonly admission: Admission;
  readonly lines: readonly Caption[];
  readonly muted: boolean;
}

/** The part of `Storage` that is needed. */
export type Store = Pick<Storage, 'getItem' | 'setItem' | 'removeItem'>;

const KEY = 'majlis.session';
/** Another shape of what is stored gets another number, and the old one is forgotten. */
const VERSION = 1;

export class Memory {
  readonly #store: Store;

  constructor(store: Store) {
    this.#store = store;
  }

  save(remembered: Remembered): void {
    try {
      this.#store.setItem(KEY, JSON.stringify({ version: VERSION, ...remembered }));
    } catch {
      // Full or forbidden: then a reload begins anew, which is no reason to stop talking.
    }
  }

  load(): Remembered | null {
    try {
      const document: unknown = JSON.parse(this.#store.getItem(KEY) ?? 'null');
      // Nobody but `save` writes here, so the version vouches for the rest.
      return isRecord(document) && document.version === VERSION
        ? (document as unknown as Remembered)
        : null;
    } catch {
      return null;
    }
  }

  forget(): void {
    try {
      this.#store.removeItem(KEY);
    } catch {
      // As in `save`.
    }
  }
}
