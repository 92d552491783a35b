import { gzipSync } from 'node:zlib';
import type { Plugin } from 'vite';
import { defineConfig } from 'vitest/config';
import { precompress } from './build/precompress.ts';

const FILE = 'widget.js';
/** In kilobytes after gzip: it is loaded by pages that are not ours. */
const BUDGET = 15;

/** Fails the build when the widget weighs more than it may. */
const light: Plugin = {
  name: 'clientele:widget-budget',
  apply: 'build',
  writeBundle(_options, bundle) {
    const file = bundle[FILE];
    if (file?.type !== 'chunk') return this.error(`${FILE} was not built`);
    const size = gzipSync(file.code, { level: 9 }).length / 1000;
    this.info(`${size.toFixed(1)} kB (gzip)`);
    if (size > BUDGET) this.error(`the widget has ${size.toFixed(1)} kB, at most ${BUDGET}`);
  },
};

// One plain script beside the client. Of the client it takes types, and how addresses are found in a text.
export default defineConfig({
  plugins: [light, precompress(FILE)],
  publicDir: false,
  build: {
    target: 'es2022',
    emptyOutDir: false,
    lib: { entry: 'widget/main.ts', formats: ['iife'], name: 'clienteleWidget', fileName: () => FILE },
  },
  test: { environment: 'node', include: ['widget/**/*.test.ts'] },
});
