import type { Link, LinkEvent } from '../core/link';

/** A `Link` whose code comes when it is first used. Until then there is nothing to close. */
export class LazyLink implements Link {
  onEvent: (event: LinkEvent) => void = () => undefined;
  readonly #load: () => Promise<Link>;
  #loading: Promise<Link> | null = null;

  /** `load` is asked again when it has failed, at the next use. */
  constructor(load: () => Promise<Link>) {
    this.#load = load;
  }

  async connect(serverUrl: string, token: string): Promise<void> {
    await (await this.#link()).connect(serverUrl, token);
  }

  async disconnect(): Promise<void> {
    await (await this.#loaded())?.disconnect();
  }

  async openMicrophone(): Promise<void> {
    await (await this.#link()).openMicrophone();
  }

  async publishMicrophone(muted: boolean): Promise<void> {
    await (await this.#link()).publishMicrophone(muted);
  }

  async muteMicrophone(muted: boolean): Promise<void> {
    await (await this.#link()).muteMicrophone(muted);
  }

  async closeMicrophone(): Promise<void> {
    await (await this.#loaded())?.closeMicrophone();
  }

  async sendText(text: string): Promise<void> {
    await (await this.#link()).sendText(text);
  }

  #link(): Promise<Link> {
    this.#loading ??= this.#load().then(
      (link) => {
        link.onEvent = (event) => this.onEvent(event);
        return link;
      },
      (error: unknown) => {
        this.#loading = null;
        throw error;
      },
    );
    return this.#loading;
  }

  /** The link if it was ever used, after those who waited for it before. */
  async #loaded(): Promise<Link | null> {
    return this.#loading?.catch(() => null) ?? null;
  }
}
