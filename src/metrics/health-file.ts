import { renameSync, rmSync, writeFileSync } from 'node:fs';
import { KeyturnError } from '../error.ts';
import type { Health } from './health.ts';

const everyMs = 3_000;

/** A file that is rewritten every few seconds while the process is healthy. An old file, or no file, means unhealthy. */
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
    // A full disk must not end the worker. The file becomes old, which shows the problem.
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
    const temporary = `${this.#path}.${process.pid}`;
    writeFileSync(temporary, text);
    renameSync(temporary, this.#path);
  }
}

function unwritable(path: string, cause: unknown): KeyturnError {
  return new KeyturnError('bad-option', `the health file ${path} cannot be written`, {
    hint: 'use a file in an existing folder that this user can write to',
    cause,
  });
}
