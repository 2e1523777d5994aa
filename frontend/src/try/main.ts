/** The test page: speaks both WebSocket protocols and shows every message and its time. */

import type { Listening } from './microphone';
import { fromBase64, record, samplesOf, stream, toBase64 } from './microphone';
import { Player } from './player';
import type { Message, Protocol, ProtocolName } from './protocols';
import { PROTOCOLS, shortened, socketUrl, step } from './protocols';

const FRAME_BYTES = 4096;
const CHUNK_MS = 100;
const MAX_SHOWN = 500;

function element<T extends HTMLElement>(id: string, kind: new () => T): T {
  const found = document.getElementById(id);
  if (!(found instanceof kind)) throw new Error(`#${id} is missing`);
  return found;
}

const options = element('options', HTMLFormElement);
const talk = element('talk', HTMLFieldSetElement);
const state = element('state', HTMLOutputElement);
const steps = element('steps', HTMLTableSectionElement);
const messages = element('messages', HTMLOListElement);
const microphone = element('microphone', HTMLButtonElement);
const typed = element('text', HTMLInputElement);
const gaps = element('gaps', HTMLSpanElement);

/** One connection, from the button to its end. */
class Conversation {
  readonly #protocol: Protocol;
  readonly #socket: WebSocket;
  readonly #player: Player;
  #since = performance.now();
  #seen = new Set<string>();
  #listening: Listening | null = null;
  #answerGoesOn = false;

  constructor(protocol: Protocol, url: string, context: AudioContext) {
    this.#protocol = protocol;
    this.#player = new Player(context);
    this.#player.onempty = () => this.#send(protocol.playbackDone());
    this.#begin('connect');
    this.#socket = new WebSocket(url);
    this.#socket.onopen = () => protocol.hello.forEach((message) => this.#send(message));
    this.#socket.onmessage = (event: MessageEvent<string>) => this.#receive(event.data);
    this.#socket.onclose = (event) => this.#closed(event);
  }

  close(): void {
    this.#socket.close();
  }

  /** Begins to listen, or ends the turn. */
  async toggleMicrophone(): Promise<void> {
    if (this.#listening) {
      this.#listening.stop();
      this.#listening = null;
      microphone.textContent = 'Speak';
      return;
    }
    this.#listening = this.#protocol.manualTurns
      ? await record(
          (data) => this.#socket.send(data),
          () => this.#endTurn(),
        )
      : await stream((samples) => this.#sendSamples(samples));
    microphone.textContent = 'Stop';
  }

  /** A file as the protocol's clients would send it. */
  async sendFile(file: File): Promise<void> {
    const data = await file.arrayBuffer();
    if (this.#protocol.manualTurns) {
      for (let at = 0; at < data.byteLength; at += FRAME_BYTES) {
        this.#socket.send(data.slice(at, at + FRAME_BYTES));
      }
      this.#endTurn();
      return;
    }
    for (const chunk of await samplesOf(data)) {
      this.#sendSamples(chunk);
      await new Promise((resolve) => setTimeout(resolve, CHUNK_MS));
    }
    this.#begin('end of the file');
  }

  type(text: string): void {
    this.#begin('text');
    this.#send({ type: 'text', text });
  }

  interrupt(): void {
    this.#begin('interrupt');
    const message = this.#protocol.interrupt();
    if (message) this.#send(message);
    else this.#player.stop();
  }

  #endTurn(): void {
    this.#begin('audio_end');
    this.#send({ type: 'audio_end' });
  }

  #sendSamples(samples: Int16Array): void {
    if (this.#socket.readyState !== WebSocket.OPEN) return;
    const data = toBase64(samples);
    this.#socket.send(JSON.stringify({ type: 'audio_chunk', data, timestamp: Date.now() / 1000 }));
  }

  #send(message: object | null): void {
    if (!message || this.#socket.readyState !== WebSocket.OPEN) return;
    this.#socket.send(JSON.stringify(message));
    this.#show(message as Message, 'sent');
  }

  #receive(data: string): void {
    const message = JSON.parse(data) as Message;
    this.#show(message, message.type === 'error' ? 'error' : '');
    this.#time(message);
    const meaning = this.#protocol.read(message);
    switch (meaning.kind) {
      case 'ready':
        state.value = 'ready';
        talk.disabled = false;
        break;
      case 'state':
        state.value = meaning.state;
        break;
      case 'audio':
        void this.#play(meaning.base64, meaning.last);
        break;
      case 'audioEnd':
        this.#answerGoesOn = false;
        break;
      case 'stop':
        this.#player.stop();
        this.#answerGoesOn = false;
        break;
      case 'other':
        break;
    }
  }

  async #play(base64: string, last: boolean): Promise<void> {
    const continues = this.#answerGoesOn;
    this.#answerGoesOn = !last;
    await this.#player.add(fromBase64(base64), continues);
    gaps.dataset.gaps = this.#player.gaps.toFixed(3);
    gaps.dataset.length = this.#player.length.toFixed(3);
    gaps.textContent = `${this.#player.length.toFixed(1)} s of audio, gaps of ${this.#player.gaps.toFixed(3)} s`;
  }

  #closed(event: CloseEvent): void {
    this.#listening?.stop();
    this.#listening = null;
    this.#player.stop();
    state.value = `closed: ${event.code} ${event.reason}`;
    talk.disabled = true;
    setConnected(null);
  }

  /** Times count from here. */
  #begin(what: string): void {
    this.#since = performance.now();
    this.#seen = new Set();
    steps.replaceChildren(row(what, '0'));
  }

  #time(message: Message): void {
    const name = step(message);
    if (name === null || this.#seen.has(name)) return;
    this.#seen.add(name);
    steps.append(row(name, (performance.now() - this.#since).toFixed(1)));
  }

  #show(message: Message, kind: string): void {
    const line = document.createElement('li');
    line.className = kind;
    const at = (performance.now() - this.#since).toFixed(1).padStart(8);
    line.textContent = `${at} ms ${shortened(message)}`;
    messages.append(line);
    while (messages.childElementCount > MAX_SHOWN) messages.firstElementChild?.remove();
  }
}

function row(name: string, value: string): HTMLTableRowElement {
  const made = document.createElement('tr');
  made.insertCell().textContent = name;
  made.insertCell().textContent = value;
  return made;
}

let current: Conversation | null = null;
let context: AudioContext | null = null;

function setConnected(conversation: Conversation | null): void {
  current = conversation;
  element('connect', HTMLButtonElement).disabled = conversation !== null;
  element('disconnect', HTMLButtonElement).disabled = conversation === null;
}

options.addEventListener('submit', (event) => {
  event.preventDefault();
  context ??= new AudioContext();
  void context.resume();
  const wishes = [...new FormData(options)].map(([name, value]): [string, string] => [
    name,
    typeof value === 'string' ? value : '',
  ]);
  const name = wishes.find(([field]) => field === 'protocol')?.[1] as ProtocolName;
  const protocol = PROTOCOLS[name];
  const others = wishes.filter(([field]) => field !== 'protocol');
  const url = socketUrl(new URL(window.location.href), protocol.path, others);
  setConnected(new Conversation(protocol, url, context));
});
element('disconnect', HTMLButtonElement).onclick = () => current?.close();
microphone.onclick = () => void current?.toggleMicrophone();
element('send', HTMLButtonElement).onclick = () => current?.type(typed.value);
element('interrupt', HTMLButtonElement).onclick = () => current?.interrupt();
element('file', HTMLInputElement).onchange = (event) => {
  const file = event.target instanceof HTMLInputElement ? event.target.files?.[0] : undefined;
  if (file) void current?.sendFile(file);
};
