/** Plays chunks of audio one right after the other, as they come. */

export class Player {
  readonly #context: AudioContext;
  readonly #playing = new Set<AudioBufferSourceNode>();
  /** Chunks are decoded in order. */
  #decoding: Promise<void> = Promise.resolve();
  #until = 0;
  #generation = 0;
  #waiting = 0;
  /** Seconds of silence between chunks of one answer, so far. */
  gaps = 0;
  /** Seconds of audio played or about to be. */
  length = 0;
  /** The queue has run empty. */
  onempty: () => void = () => undefined;

  constructor(context: AudioContext) {
    this.#context = context;
  }

  /** Plays a file after all that came before it; `continues`: as one sound with it. */
  add(file: ArrayBuffer, continues: boolean): Promise<void> {
    const generation = this.#generation;
    this.#waiting += 1;
    this.#decoding = this.#decoding.then(async () => {
      const buffer = await this.#context.decodeAudioData(file).catch(() => null);
      if (generation !== this.#generation) return;
      this.#waiting -= 1;
      if (buffer) this.#schedule(buffer, continues);
    });
    return this.#decoding;
  }

  /** Silence, at once. */
  stop(): void {
    this.#generation += 1;
    this.#waiting = 0;
    for (const source of this.#playing) {
      source.onended = null;
      source.stop();
    }
    this.#playing.clear();
    this.#until = 0;
  }

  #schedule(buffer: AudioBuffer, continues: boolean): void {
    const now = this.#context.currentTime;
    const at = Math.max(now, this.#until);
    if (continues && this.#until > 0) this.gaps += at - this.#until;
    this.#until = at + buffer.duration;
    this.length += buffer.duration;
    const source = new AudioBufferSourceNode(this.#context, { buffer });
    source.connect(this.#context.destination);
    source.onended = () => {
      this.#playing.delete(source);
      if (this.#playing.size === 0 && this.#waiting === 0) this.onempty();
    };
    this.#playing.add(source);
    source.start(at);
  }
}
