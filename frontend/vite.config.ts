import react from '@vitejs/plugin-react';
import { defineConfig } from 'vitest/config';

/** Where a running Majlis answers, for `npx vite` during development. */
const orchestrator = process.env.MAJLIS_URL ?? 'http://127.0.0.1:8000';

export default defineConfig({
  plugins: [react()],
  server: {
    proxy: {
      '/api': orchestrator,
      '/ws': { target: orchestrator, ws: true },
      '/orchestrate': { target: orchestrator, ws: true },
    },
  },
  // LiveKit's client is one file of 600 kB, and the page is there before it (src/room/load.ts).
  build: {
    target: 'es2022',
    chunkSizeWarningLimit: 650,
    rolldownOptions: { input: { page: 'index.html', test: 'test.html' } },
  },
  test: { include: ['tests/**/*.test.ts'], environment: 'node' },
});
