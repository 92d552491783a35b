import { spawn } from 'node:child_process';
import { existsSync } from 'node:fs';
import { chmod, mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import { createInterface } from 'node:readline';
import { fileURLToPath } from 'node:url';

const ROOT = resolve(fileURLToPath(new URL('../../../../..', import.meta.url)));
const START_DEADLINE_MS = 120_000;
const STOP_DEADLINE_MS = 30_000;

/**
 * @typedef {object} Product
 * @property {string} url Address of the gateway.
 * @property {string} login
 * @property {string} password
 * @property {() => Promise<void>} stop
 */

/**
 * Starts the product as a newcomer would, in one process on a data directory of its own, and waits until it has printed its
 * address and the administrator's password.
 * @returns {Promise<Product>}
 */
export async function startProduct() {
  const program = process.env.CLIENTELE_BIN ?? join(ROOT, 'target/debug/clientele');
  if (!existsSync(program)) throw new Error(`${program} is not there: build it with \`cargo build -p clientele\``);
  const data = await mkdtemp(join(tmpdir(), 'clientele-e2e-'));
  // The database server runs as an account of its own when we are root, and must be able to pass through.
  await chmod(data, 0o755);
  const child = spawn(program, ['up', '--data-dir', join(data, 'data'), '--listen', '127.0.0.1:0'], {
    stdio: ['ignore', 'pipe', 'pipe'],
  });
  const exited = new Promise((done) => child.once('exit', done));
  /** @type {string[]} */
  const output = [];
  const found = new Promise((settle, reject) => {
    /** @type {{ url?: string, login?: string, password?: string }} */
    const seen = {};
    /** @param {string} line */
    const read = (line) => {
      output.push(line);
      // A test that fails with a 500 is of no use without what went wrong.
      if (line.includes('"level":"ERROR"')) console.error(line);
      seen.url ??= /listening on (http:\/\/\S+)/.exec(line)?.[1];
      const administrator = /administrator: (\S+)\s+password: (\S+)/.exec(line);
      if (administrator) [, seen.login, seen.password] = administrator;
      if (seen.url && seen.login && seen.password) settle({ ...seen, url: seen.url.replace(/\/$/, '') });
    };
    createInterface({ input: child.stdout }).on('line', read);
    createInterface({ input: child.stderr }).on('line', read);
    exited.then((code) => reject(new Error(`clientele up ended with ${code}:\n${output.slice(-40).join('\n')}`)));
    setTimeout(
      () => reject(new Error(`clientele up did not start in time:\n${output.slice(-40).join('\n')}`)),
      START_DEADLINE_MS,
    ).unref();
  });
  const stop = async () => {
    child.kill('SIGINT');
    const timer = setTimeout(() => child.kill('SIGKILL'), STOP_DEADLINE_MS);
    await exited;
    clearTimeout(timer);
    await rm(data, { recursive: true, force: true });
  };
  try {
    return { ...(await found), stop };
  } catch (error) {
    await stop();
    throw error;
  }
}
