/* global LivekitClient */
/**
 * What the tests do with LiveKit's client in a page: join, publish, listen. Loaded after the
 * client's UMD build, which is `LivekitClient`.
 */
(() => {
  const { Room, RoomEvent, Track } = LivekitClient;

  const audio = new AudioContext();
  const room = { current: null };
  const events = [];
  const texts = [];
  const data = [];
  const tones = new Map();

  const KEPT = [
    'SignalReconnecting',
    'Reconnecting',
    'Reconnected',
    'Disconnected',
    'TrackSubscribed',
    'TrackUnsubscribed',
  ];

  async function join(url, token, options) {
    room.current = new Room(options);
    for (const name of KEPT) {
      room.current.on(RoomEvent[name], (detail) =>
        events.push(name === 'Disconnected' ? `${name} ${detail}` : name),
      );
    }
    room.current.on(RoomEvent.DataReceived, (payload, from, kind, topic) =>
      data.push({ text: new TextDecoder().decode(payload), from: from?.identity, kind, topic }),
    );
    room.current.registerTextStreamHandler('test', (reader, from) => void read(reader, from));
    room.current.registerRpcMethod('shout', async ({ payload, callerIdentity }) => {
      if (payload === '') throw new LivekitClient.RpcError(1042, 'nothing to shout');
      return `${callerIdentity}: ${payload.toUpperCase()}`;
    });
    await room.current.connect(url, token);
  }

  async function read(reader, from) {
    const entry = { from: from.identity, attributes: reader.info.attributes, text: '', done: false };
    texts.push(entry);
    for await (const chunk of reader) entry.text += chunk;
    entry.attributes = reader.info.attributes;
    entry.done = true;
  }

  /** The browser's own microphone, without the filters that would remove a tone. */
  async function microphone() {
    const plain = { echoCancellation: false, noiseSuppression: false, autoGainControl: false };
    const publication = await room.current.localParticipant.setMicrophoneEnabled(true, plain);
    return publication.trackSid;
  }

  async function playTone(frequency, name) {
    const oscillator = new OscillatorNode(audio, { frequency });
    const sink = new MediaStreamAudioDestinationNode(audio);
    oscillator.connect(new GainNode(audio, { gain: 0.3 })).connect(sink);
    oscillator.start();
    const [track] = sink.stream.getAudioTracks();
    const publication = await room.current.localParticipant.publishTrack(track, {
      name,
      source: Track.Source.Unknown,
      dtx: false,
    });
    tones.set(name, { track, oscillator });
    return publication.trackSid;
  }

  async function stopTone(name) {
    const { track, oscillator } = tones.get(name);
    await room.current.localParticipant.unpublishTrack(track);
    oscillator.stop();
    tones.delete(name);
  }

  function remoteTrack(sid) {
    for (const participant of room.current.remoteParticipants.values()) {
      const track = participant.trackPublications.get(sid)?.track;
      if (track) return track;
    }
    return undefined;
  }

  /** The strongest frequency of a track in Hz, once it can be heard. */
  async function frequencyOf(sid, withinMs = 8000) {
    const deadline = performance.now() + withinMs;
    while (!remoteTrack(sid)) {
      if (performance.now() > deadline) throw new Error(`not subscribed to ${sid}`);
      await pause(20);
    }
    const track = remoteTrack(sid);
    const element = track.attach(); // Chromium decodes only what an element plays.
    try {
      return await loudest(track.mediaStreamTrack, deadline);
    } finally {
      track.detach(element);
      element.remove();
    }
  }

  async function loudest(mediaStreamTrack, deadline) {
    const source = new MediaStreamAudioSourceNode(audio, {
      mediaStream: new MediaStream([mediaStreamTrack]),
    });
    const analyser = new AnalyserNode(audio, { fftSize: 8192, smoothingTimeConstant: 0 });
    source.connect(analyser);
    const levels = new Float32Array(analyser.frequencyBinCount);
    try {
      while (performance.now() < deadline) {
        await pause(200);
        analyser.getFloatFrequencyData(levels);
        const peak = levels.reduce((best, level, bin) => (level > levels[best] ? bin : best), 1);
        if (levels[peak] > -45) return (peak * audio.sampleRate) / analyser.fftSize;
      }
    } finally {
      source.disconnect();
    }
    throw new Error('nothing was heard');
  }

  function mLines() {
    const { publisher, subscriber } = room.current.engine.pcManager;
    const count = (transport) =>
      (transport?.getLocalDescription()?.sdp.match(/^m=/gm) ?? []).length;
    return { publisher: count(publisher), subscriber: count(subscriber) };
  }

  function pause(ms) {
    return new Promise((resolve) => setTimeout(resolve, ms));
  }

  window.probe = {
    events,
    texts,
    data,
    join,
    microphone,
    playTone,
    stopTone,
    frequencyOf,
    mLines,
    get room() {
      return room.current;
    },
  };
})();
