import { readdir, readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { brotliCompress, constants, gzip } from 'node:zlib';
import type { Plugin } from 'vite';

const brotli = promisify(brotliCompress);
const deflate = promisify(gzip);
const COMPRESSIBLE = /\.(js|css|svg|json|txt|webmanifest)$/;
/** Below one network packet compression saves nothing. */
const MINIMUM_BYTES = 1024;

/**
 * Writes `.br` and `.gz` beside every compressible file of the build, so that the gateway compresses nothing per request.
 * index.html stays plain: the gateway writes a nonce into each response. `only` names the file where one alone is built.
 */
export function precompress(only?: string): Plugin {
  let outDir = 'dist';
  return {
    name: 'clientele:precompress',
    apply: 'build',
    configResolved(config) {
      outDir = config.build.outDir;
    },
    async closeBundle() {
      const entries = await readdir(outDir, { recursive: true, withFileTypes: true });
      await Promise.all(
        entries
          .filter((entry) => entry.isFile() && COMPRESSIBLE.test(entry.name) && (!only || entry.name === only))
          .map(async (entry) => {
            const path = join(entry.parentPath, entry.name);
            const content = await readFile(path);
            if (content.length < MINIMUM_BYTES) return;
            const params = { [constants.BROTLI_PARAM_QUALITY]: constants.BROTLI_MAX_QUALITY };
            await Promise.all([
              writeFile(`${path}.br`, await brotli(content, { params })),
              writeFile(`${path}.gz`, await deflate(content, { level: constants.Z_BEST_COMPRESSION })),
            ]);
          }),
      );
    },
  };
}
