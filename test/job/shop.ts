import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, expect } from '@jest/globals';
import { KeyturnError } from '../../src/error.ts';
import { type LoadedJob, loadJob } from '../../src/job/load.ts';

export const formats = ['n8n', 'n8n-wrapped', 'octopus-stream'];
/** A valid job, to be edited. */
export const valid = `job: shop
title: Shop
key:
  form: text
  generate: { bytes: 24, as: base64 }
canary:
  - { table: customers, column: iban, format: n8n }
phases:
  - name: values
    targets:
      - table: customers
        fields:
          - column: iban
            format: n8n
  - name: keys
    targets:
      - table: vault
        fields:
          - column: value
            format: n8n-wrapped
            becomes: primary
`;

/** The file of the job, for one suite. */
export class ShopFile {
  folder = '';

  constructor() {
    beforeAll(() => {
      this.folder = mkdtempSync(join(tmpdir(), 'keyturn-load-'));
    });
    afterAll(() => rmSync(this.folder, { recursive: true }));
  }

  get path(): string {
    return join(this.folder, 'shop.yaml');
  }

  load(text: string | Uint8Array): LoadedJob {
    writeFileSync(this.path, text);
    return loadJob(this.path, formats);
  }

  /** The problems in the error message, each without the path of the file. */
  problems(text: string): string[] {
    const error = refusal(() => this.load(text));
    expect(error.code).toBe('job-invalid');
    const lines = error.message.split('\n');
    for (const line of lines) expect(line.startsWith(`${this.path}:`)).toBe(true);
    return lines.map((line) => line.slice(this.path.length + 1));
  }
}

/** The job with one part of its text replaced; the part must exist. */
export function edited(from: string, to: string): string {
  if (!valid.includes(from)) throw new Error(`the job of this test does not contain ${from}`);
  return valid.replace(from, to);
}

export function refusal(work: () => unknown): KeyturnError {
  try {
    work();
  } catch (error) {
    if (error instanceof KeyturnError) return error;
    throw error;
  }
  throw new Error('nothing was refused');
}
