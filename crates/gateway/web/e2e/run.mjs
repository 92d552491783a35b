// Starts the product and runs the browser tests against it. With CLIENTELE_E2E_URL, _LOGIN and _PASSWORD set, the tests run
// against a product that is already there. Arguments name the test files to run; all when there are none.
import { spawn } from 'node:child_process';
import { readdir } from 'node:fs/promises';
import { fileURLToPath } from 'node:url';
import { startProduct } from './support/product.mjs';
import { seed } from './support/seed.mjs';

const here = fileURLToPath(new URL('.', import.meta.url));
const { CLIENTELE_E2E_URL: url, CLIENTELE_E2E_LOGIN: login, CLIENTELE_E2E_PASSWORD: password } = process.env;

const product = url
  ? { url, login: login ?? '', password: password ?? '', stop: async () => undefined }
  : await startProduct();

let code = 1;
try {
  const world = await seed(product);
  const wanted = process.argv.slice(2);
  const files = (await readdir(here)).filter(
    (name) => name.endsWith('.test.mjs') && (wanted.length === 0 || wanted.some((part) => name.includes(part))),
  );
  if (files.length === 0) throw new Error(`no test file matches ${wanted.join(' ')}`);
  code = await new Promise((done) => {
    const tests = spawn(
      process.execPath,
      ['--test', '--test-concurrency=1', '--test-timeout=900000', ...files.map((name) => here + name)],
      {
        stdio: 'inherit',
        env: { ...process.env, CLIENTELE_E2E_WORLD: JSON.stringify(world) },
      },
    );
    tests.once('exit', (status) => done(status ?? 1));
  });
} finally {
  await product.stop();
}
process.exit(code);
