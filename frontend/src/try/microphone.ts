/** The user's voice in the form that each protocol wants it. */

const SLICE_MS = 100;
export const RATE_HZ = 16_000;
const CHUNK_SAMPLES = RATE_HZ / 10;

/** What hears: `stop` it when the turn is over. */
export interface Listening {
  stop(): void;
}

/** One recording, cut into frames by `MediaRecorder`; `last` is called before its last frame. */
export async function record(
  frame: (data: ArrayBuffer) => void,
  last: () => void,
): Promise<Listening> {
  const stream = await navigator.mediaDevices.getUserMedia({ audio: true });
  const recorder = new MediaRecorder(stream);
  let sending: Promise<void> = Promise.resolve();
  recorder.ondataavailable = (event) => {
    sending = sending.then(async () => frame(await event.data.arrayBuffer()));
  };
  recorder.start(SLICE_MS);
  return {
    stop() {
      last();
      recorder.stop();
      for (const track of stream.getTracks()) track.stop();
    },
  };
}

const WORKLET = `
registerProcessor('samples', class extends AudioWorkletProcessor {
  process([input]) {
    if (input[0]) this.port.postMessage(input[0].slice());
    return true;
  }
});`;

/** An endless stream of samples, in chunks of 100 ms. */
export async function stream(chunk: (samples: Int16Array) => void): Promise<Listening> {
  const media = await navigator.mediaDevices.getUserMedia({ audio: { echoCancellation: true } });
  const context = new AudioContext({ sampleRate: RATE_HZ });
  const module = URL.createObjectURL(new Blob([WORKLET], { type: 'text/javascript' }));
  await context.audioWorklet.addModule(module);
  URL.revokeObjectURL(module);
  const node = new AudioWorkletNode(context, 'samples', { numberOfOutputs: 0 });
  let held: number[] = [];
  node.port.onmessage = (event: MessageEvent<Float32Array>) => {
    held.push(...event.data);
    while (held.length >= CHUNK_SAMPLES) {
      chunk(toPcm16(Float32Array.from(held.slice(0, CHUNK_SAMPLES))));
      held = held.slice(CHUNK_SAMPLES);
    }
  };
  context.createMediaStreamSource(media).connect(node);
  return {
    stop() {
      for (const track of media.getTracks()) track.stop();
      void context.close();
    },
  };
}

/** A file's sound as samples in chunks of 100 ms. */
export async function samplesOf(file: ArrayBuffer): Promise<Int16Array[]> {
  const decoded = await new OfflineAudioContext(1, 1, RATE_HZ).decodeAudioData(file);
  const length = Math.max(1, Math.ceil(decoded.duration * RATE_HZ));
  const context = new OfflineAudioContext(1, length, RATE_HZ);
  const source = new AudioBufferSourceNode(context, { buffer: decoded });
  source.connect(context.destination);
  source.start();
  const samples = (await context.startRendering()).getChannelData(0);
  const chunks: Int16Array[] = [];
  for (let at = 0; at < samples.length; at += CHUNK_SAMPLES) {
    chunks.push(toPcm16(samples.subarray(at, at + CHUNK_SAMPLES)));
  }
  return chunks;
}

export function toPcm16(samples: Float32Array): Int16Array {
  return Int16Array.from(samples, (s) => Math.round(Math.max(-1, Math.min(1, s)) * 32_767));
}

export function toBase64(samples: Int16Array): string {
  const bytes = new Uint8Array(samples.buffer, samples.byteOffset, samples.byteLength);
  return btoa(Array.from(bytes, (byte) => String.fromCharCode(byte)).join(''));
}

export function fromBase64(text: string): ArrayBuffer {
  return Uint8Array.from(atob(text), (c) => c.charCodeAt(0)).buffer;
}
