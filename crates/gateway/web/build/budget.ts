import { gzipSync } from 'node:zlib';
import type { Plugin, Rollup } from 'vite';

/** Limits in kilobytes (1000 bytes) after gzip. */
export type Limits = { initialJs: number; initialCss: number; lazyChunk: number };

type Chunk = Rollup.OutputChunk & { viteMetadata?: { importedCss: Set<string> } };

/** Texts that no page waits for: they come when something has gone wrong. */
const WHEN_ASKED_FOR = ['problems', 'violations'];

/**
 * Fails the build when a page weighs more than it may. What a page needs at first is the entry, the shell, the page's own
 * chunk, everything these import statically, and in the heaviest language the texts that all this code names. A text file
 * is counted as soon as its name stands somewhere in the code: rather too often than not at all.
 */
export function budget(limits: Limits): Plugin {
  return {
    name: 'clientele:budget',
    apply: 'build',
    writeBundle(_options, bundle) {
      const files = Object.values(bundle);
      const chunks = new Map(
        files.flatMap((file) => (file.type === 'chunk' ? [[file.fileName, file as Chunk] as const] : [])),
      );
      const size = (name: string) => {
        const file = bundle[name];
        if (!file) throw new Error(`${name} is imported but is not in the bundle`);
        return gzipSync(file.type === 'chunk' ? file.code : file.source, { level: 9 }).length / 1000;
      };
      const module = (chunk: Chunk) => chunk.facadeModuleId?.replaceAll('\\', '/') ?? '';

      const closure = (roots: Chunk[]) => {
        const seen = new Set<Chunk>();
        const visit = (chunk: Chunk | undefined) => {
          if (!chunk || seen.has(chunk)) return;
          seen.add(chunk);
          for (const name of chunk.imports) visit(chunks.get(name));
        };
        roots.forEach(visit);
        return seen;
      };

      const all = [...chunks.values()];
      const entries = all.filter((chunk) => chunk.isEntry);
      const routes = all.filter((chunk) => /\/src\/routes\/.*tsr-split=component/.test(module(chunk)));
      const shell = routes.filter((chunk) => module(chunk).includes('/routes/_app.tsx'));
      const pages = routes.filter((chunk) => !shell.includes(chunk));
      if (pages.length === 0) this.error('the budget found no page in the bundle');

      const languages = new Map<string, Chunk[]>();
      for (const chunk of all) {
        const language = /\/locales\/(\w+)\//.exec(module(chunk))?.[1];
        if (language) languages.set(language, [...(languages.get(language) ?? []), chunk]);
      }
      const weight = (group: Iterable<Chunk>) => [...group].reduce((sum, chunk) => sum + size(chunk.fileName), 0);
      const namespaceOf = (chunk: Chunk) => /\/locales\/\w+\/([\w-]+)\.json/.exec(module(chunk))?.[1] ?? '';
      const texts = (needed: Set<Chunk>) => {
        const code = [...needed].map((chunk) => chunk.code).join('\n');
        const named = (chunk: Chunk) =>
          !WHEN_ASKED_FOR.includes(namespaceOf(chunk)) && new RegExp(`(["'\`])${namespaceOf(chunk)}(:|\\1)`).test(code);
        const inLanguages = [...languages.values()].map((group) => group.filter(named));
        return inLanguages.sort((a, b) => weight(b) - weight(a))[0] ?? [];
      };

      const problems: string[] = [];
      for (const page of pages) {
        const inApp = module(page).includes('/routes/_app/');
        const needed = closure([...entries, ...(inApp ? shell : []), page]);
        for (const chunk of texts(needed)) needed.add(chunk);
        const css = new Set([...needed].flatMap((chunk) => [...(chunk.viteMetadata?.importedCss ?? [])]));
        const js = weight(needed);
        const styles = [...css].reduce((sum, name) => sum + size(name), 0);
        const name = module(page)
          .replace(/^.*\/src\/routes/, '')
          .replace(/\?.*$/, '');
        this.info(`${name}: ${js.toFixed(1)} kB of JS, ${styles.toFixed(1)} kB of CSS at first (gzip)`);
        if (js > limits.initialJs)
          problems.push(`${name} needs ${js.toFixed(1)} kB of JS, at most ${limits.initialJs}`);
        if (styles > limits.initialCss) {
          problems.push(`${name} needs ${styles.toFixed(1)} kB of CSS, at most ${limits.initialCss}`);
        }
      }
      for (const chunk of all) {
        const kilobytes = size(chunk.fileName);
        if (!chunk.isEntry && kilobytes > limits.lazyChunk) {
          problems.push(`${chunk.fileName} has ${kilobytes.toFixed(1)} kB, a lazy chunk at most ${limits.lazyChunk}`);
        }
      }
      if (problems.length > 0) this.error(`over budget: ${problems.join('; ')}`);
    },
  };
}
