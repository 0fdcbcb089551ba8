import { renameSync, rmSync, writeFileSync } from 'node:fs';
import { KeyturnError } from '../error.ts';
import type { Health } from './health.ts';

const everyMs = 3_000;

/** A file that is written anew every few seconds while the process is healthy: an old one, or none, says that it is not. */
export class HealthFile {
  readonly #path: string;
  readonly #health: () => Health;
  readonly #timer: NodeJS.Timeout;

  /** Throws `bad-option` when the file cannot be written. */
  constructor(path: string, health: () => Health) {
    this.#path = path;
    this.#health = health;
    try {
      this.#write();
    } catch (cause) {
      throw unwritable(path, cause);
    }
    // A disk that is full must not end the worker; the file then grows old
    this.#timer = setInterval(() => {
      try {
        this.#write();
      } catch {}
    }, everyMs);
    this.#timer.unref();
  }

  close(): void {
    clearInterval(this.#timer);
    rmSync(this.#path, { force: true });
  }

  #write(): void {
    const { healthy, document } = this.#health();
    if (!healthy) return;
    const text = `${JSON.stringify({ healthy, ...document })}\n`;
    const half = `${this.#path}.${process.pid}`;
    writeFileSync(half, text);
    renameSync(half, this.#path);
  }
}

function unwritable(path: string, cause: unknown): KeyturnError {
  return new KeyturnError('bad-option', `the health file ${path} cannot be written`, {
    hint: 'name a file in an existing folder that this user may write',
    cause,
  });
}
