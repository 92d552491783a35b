import { fileURLToPath } from 'node:url';
import { tanstackRouter } from '@tanstack/router-plugin/vite';
import react from '@vitejs/plugin-react';
import { defineConfig } from 'vitest/config';
import { budget } from './build/budget.ts';
import { precompress } from './build/precompress.ts';

export default defineConfig({
  plugins: [
    tanstackRouter({ target: 'react', autoCodeSplitting: true, quoteStyle: 'single', semicolons: true }),
    react(),
    budget({ initialJs: 260, initialCss: 40, lazyChunk: 150 }),
    precompress(),
  ],
  resolve: { alias: { '~': fileURLToPath(new URL('./src', import.meta.url)) } },
  // The gateway replaces the placeholder in index.html with the nonce of the response.
  html: { cspNonce: '__CSP_NONCE__' },
  build: {
    target: 'es2023',
    assetsInlineLimit: 0,
    modulePreload: { polyfill: false },
    chunkSizeWarningLimit: 700,
    rolldownOptions: {
      output: {
        // What the addresses hold is known from the start: one file, instead of one for each page.
        codeSplitting: { groups: [{ name: 'routes', test: /\/src\/(routes\/[^?]*|routeTree\.gen)\.tsx?$/ }] },
      },
    },
  },
  // `npm run dev` serves the client; everything under /v1 comes from a gateway that runs beside it.
  server: { proxy: { '/v1': process.env.CLIENTELE_GATEWAY ?? 'http://127.0.0.1:7100' } },
  test: {
    environment: 'happy-dom',
    include: ['src/**/*.test.{ts,tsx}'],
    setupFiles: ['src/shared/test-setup.ts'],
    restoreMocks: true,
  },
});
