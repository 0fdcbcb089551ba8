/** `write-report.ts <folder> <report as json>`: runs in its own process with its own limits. */
import { readFileSync } from 'node:fs';
import { KeyturnError } from '../../src/error.ts';
import { writeReport } from '../../src/report/write.ts';

const [dir = '', data = ''] = process.argv.slice(2);
try {
  await writeReport(dir, JSON.parse(readFileSync(data, 'utf8')));
  process.stdout.write('written');
} catch (error) {
  const known = error instanceof KeyturnError;
  process.stdout.write(known ? `${error.code}: ${error.message.split(': ').at(-1)}` : String(error));
}
