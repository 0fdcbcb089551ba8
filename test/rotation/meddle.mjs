// In a worker thread: a concurrent writer strikes between two steps of a chunk's life.
import { subscribe } from 'node:diagnostics_channel';
import { strike } from './strike.mjs';

/** @param {{ url: string, meddling: { step: string, chunk: number, times: string[][] }[] }} _ */
export function meddle({ url, meddling }) {
  subscribe('keyturn:chunk-step', ({ step, chunk }) => {
    for (const each of meddling) {
      const statements = each.step === step && each.chunk === chunk ? each.times.shift() : undefined;
      if (statements !== undefined) strike(url, statements);
    }
  });
}
