import { describe, expect, it } from 'vitest';
import { fromBase64, toBase64, toPcm16 } from '../src/try/microphone';
import { PROTOCOLS, shortened, socketUrl, step } from '../src/try/protocols';

describe('the test page', () => {
  it('connects where it came from, with what was asked for', () => {
    const url = socketUrl(new URL('https://majlis.example/test?x=1'), '/orchestrate', [
      ['language', 'ar-EG'],
      ['voice_id', ''],
    ]);
    expect(url).toBe('wss://majlis.example/orchestrate?language=ar-EG');
  });

  it('tells audio from the end of audio, in both protocols', () => {
    const turns = PROTOCOLS.conversation;
    const chunk = { type: 'audio_chunk_tts', audio_data: 'AAAA', is_final_chunk: true };
    expect(turns.read(chunk)).toEqual({ kind: 'audio', base64: 'AAAA', last: true });
    const duplex = PROTOCOLS.orchestrate;
    expect(duplex.read({ type: 'audio_chunk', audio: 'AAAA', is_final: false })).toEqual({
      kind: 'audio',
      base64: 'AAAA',
      last: false,
    });
    expect(duplex.read({ type: 'audio_chunk', is_final: true })).toEqual({ kind: 'audioEnd' });
    expect(duplex.read({ type: 'playback_control', action: 'stop' })).toEqual({ kind: 'stop' });
    expect(duplex.read({ type: 'something new' })).toEqual({ kind: 'other' });
  });

  it('cuts what is too long to read', () => {
    expect(shortened({ audio: 'A'.repeat(5000) }).length).toBeLessThan(100);
  });

  it('names the steps that it times', () => {
    expect(step({ type: 'state_update', state: 'speaking' })).toBe('state speaking');
    expect(step({ type: 'transcript', is_final: false })).toBe('interim transcript');
    expect(step({ type: 'audio_chunk' })).toBe('first audio');
  });

  it('sends samples as signed 16-bit little-endian', () => {
    const samples = toPcm16(Float32Array.from([0, 1, -1, 2]));
    expect([...samples]).toEqual([0, 32_767, -32_767, 32_767]);
    expect(new Int16Array(fromBase64(toBase64(samples)))).toEqual(samples);
  });
});
