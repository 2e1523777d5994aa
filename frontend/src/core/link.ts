/** A room as the conversation needs it. `room/` implements it with LiveKit's client. */

import type { Role, Source } from './captions';
import type { Agent, MicrophoneState } from './session';

/** Why the link is down for good, as far as LiveKit's client is concerned. */
export type Parting =
  /** Worth joining anew. */
  | 'lost'
  /** The room was deleted or we were sent out of it. */
  | 'removed'
  /** Somebody joined with our identity: the same conversation in another tab. */
  | 'duplicate';

export type LinkEvent =
  | { readonly type: 'interrupted' }
  | { readonly type: 'restored' }
  | { readonly type: 'parted'; readonly why: Parting }
  | { readonly type: 'agent'; readonly agent: Agent | null }
  /** The room server gave out a fresher token. */
  | { readonly type: 'token'; readonly token: string }
  | {
      readonly type: 'segment';
      readonly id: string;
      readonly role: Role;
      readonly text: string;
      readonly final: boolean;
    }
  | { readonly type: 'sources'; readonly sources: readonly Source[] }
  /** The operating system or the browser took the microphone away. */
  | { readonly type: 'microphone'; readonly state: MicrophoneState };

export class LinkError extends Error {
  /** Whether another try may succeed; false when the room will not have us. */
  readonly retryable: boolean;

  constructor(retryable: boolean, options?: ErrorOptions) {
    super(retryable ? 'the room cannot be reached' : 'the room refuses us', options);
    this.name = 'LinkError';
    this.retryable = retryable;
  }
}

export class MicrophoneError extends Error {
  readonly state: MicrophoneState;

  constructor(state: MicrophoneState, options?: ErrorOptions) {
    super(`microphone: ${state}`, options);
    this.name = 'MicrophoneError';
    this.state = state;
  }
}

export interface Link {
  /** Called with everything that happens; set before `connect`. */
  onEvent: (event: LinkEvent) => void;
  /** Raises `LinkError`. */
  connect(serverUrl: string, token: string): Promise<void>;
  disconnect(): Promise<void>;
  /** Asks for the microphone; needs no connection. Raises `MicrophoneError`. */
  openMicrophone(): Promise<void>;
  /** Sends the opened microphone, once connected. Raises `MicrophoneError`. */
  publishMicrophone(muted: boolean): Promise<void>;
  muteMicrophone(muted: boolean): Promise<void>;
  /** Lets go of the microphone, published or not. */
  closeMicrophone(): Promise<void>;
  /** Raises when it could not be sent. */
  sendText(text: string): Promise<void>;
}
