/** Preloaded into keyturn: at its end, writes the most memory that it had, in bytes, to the file that a variable names. */
import { writeFileSync } from 'node:fs';
import { isMainThread } from 'node:worker_threads';

const file = process.env.KEYTURN_TEST_PEAK_MEMORY;
if (isMainThread && file !== undefined)
  process.on('exit', () => writeFileSync(file, String(process.resourceUsage().maxRSS * 1024)));
