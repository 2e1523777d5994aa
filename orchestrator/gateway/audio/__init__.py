"""Audio as clients send and receive it, and mono PCM16 between.

    decoder = make_decoder(recognise(first_bytes), limit_s=60.0)
    pcm = await decoder.feed(frame)         # what could be decoded so far
    pcm = await decoder.finish()            # the rest
    decoder.close()                         # always; it never waits

    encoder = make_encoder(OutputFormat.MP3)
    chunk = await encoder.encode(pcm)       # playable by itself

Neither blocks the event loop. FFmpeg is loaded when it is first needed, never for PCM and WAV out.
"""

from orchestrator.gateway.audio.decoders import Decoder, make_decoder
from orchestrator.gateway.audio.encoders import Encoder, make_encoder
from orchestrator.gateway.audio.pcm import AudioError, AudioTooLong, Pcm, UnreadableAudio
from orchestrator.gateway.audio.recognise import InputFormat, OutputFormat, recognise

__all__ = [
    "AudioError",
    "AudioTooLong",
    "Decoder",
    "Encoder",
    "InputFormat",
    "OutputFormat",
    "Pcm",
    "UnreadableAudio",
    "make_decoder",
    "make_encoder",
    "recognise",
]
