/** Takes the run lock of the database given, under the name given, says so, and keeps it until killed or its stdin ends. */
import { openDatabase } from '../../src/databases/open.ts';

const [, , url = '', applicationName = ''] = process.argv;
const database = await openDatabase(url, applicationName === '' ? {} : { applicationName });
const lock = await database.lockRun();
process.stdout.write('locked\n');
process.stdin.resume();
process.stdin.once('end', () => void lock.release().then(() => database.close()));
