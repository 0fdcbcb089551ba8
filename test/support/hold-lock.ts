/** Takes the run lock of a database, prints `locked`, and holds the lock until it is killed or its stdin ends. */
import { openDatabase } from '../../src/databases/open.ts';

const [, , url = '', applicationName = ''] = process.argv;
const database = await openDatabase(url, applicationName === '' ? {} : { applicationName });
const lock = await database.lockRun();
process.stdout.write('locked\n');
process.stdin.resume();
process.stdin.once('end', () => void lock.release().then(() => database.close()));
