"""Real Chromium for tests, with a microphone that plays a file."""

import contextlib
import os
import shutil
import subprocess
import wave
from collections.abc import AsyncIterator
from pathlib import Path

import numpy as np
import pytest
from playwright.async_api import Browser, async_playwright

FRONTEND = Path(__file__).resolve().parents[2] / "frontend"
_RATE_HZ = 48_000
_ARGUMENTS = (
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--autoplay-policy=no-user-gesture-required",
)
_MICROPHONE = ("--use-fake-device-for-media-stream", "--use-fake-ui-for-media-stream")

INTERCEPTED = "--disable-features=LocalNetworkAccessChecks"
"""For pages that a test puts on an address: Chromium takes them for pages from elsewhere, and
would keep them from servers on this machine."""


def require(found: object, what: str) -> None:
    """Skips the test without `what`, or fails it where everything must be there."""
    if found:
        return
    if os.environ.get("MAJLIS_TEST_STRICT"):
        pytest.fail(f"{what} is missing")
    pytest.skip(f"{what} is missing")


@contextlib.asynccontextmanager
async def chromium(microphone: Path | None = None, *more: str) -> AsyncIterator[Browser]:
    """A browser of its own. `microphone` is the WAV that it hears over and over; without, it has
    no microphone, and asking for one fails as it does for a person without one."""
    executable = shutil.which("chromium") or shutil.which("chromium-browser")
    require(executable, "Chromium")
    arguments = [*_ARGUMENTS, *more]
    if microphone is not None:
        arguments += [*_MICROPHONE, f"--use-file-for-fake-audio-capture={microphone}"]
    async with async_playwright() as playwright:
        browser = await playwright.chromium.launch(executable_path=executable, args=arguments)
        try:
            yield browser
        finally:
            await browser.close()


async def close_all(browser: Browser) -> None:
    """Close what was opened in it; the browser stays."""
    for context in browser.contexts:
        await context.close()


def write_tone(path: Path, frequency_hz: float, seconds: float = 2.0) -> Path:
    """A WAV of a sine; whole periods fit, so that it repeats without a click."""
    at_s = np.arange(int(seconds * _RATE_HZ)) / _RATE_HZ
    samples = (10_000 * np.sin(2 * np.pi * frequency_hz * at_s)).astype("<i2")
    return write_wav(path, samples.tobytes(), _RATE_HZ)


def write_wav(path: Path, pcm: bytes, rate_hz: int) -> Path:
    """Mono PCM16."""
    with wave.open(str(path), "wb") as file:
        file.setnchannels(1)
        file.setsampwidth(2)
        file.setframerate(rate_hz)
        file.writeframes(pcm)
    return path


def build_page(folder: Path) -> Path:
    """The page as `npm run build` makes it, in a folder of its own."""
    require((FRONTEND / "node_modules").is_dir(), "frontend/node_modules (npm ci)")
    subprocess.run(
        ["npm", "run", "--silent", "build", "--", "--outDir", str(folder), "--emptyOutDir"],
        cwd=FRONTEND,
        check=True,
        capture_output=True,
        timeout=120,
    )
    return folder
