import { execFile } from 'node:child_process';
import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { promisify } from 'node:util';

const run = promisify(execFile);

/** A CA (`ca.pem`) and a certificate for 127.0.0.1 and localhost (`server.pem`, `server.key`). */
export async function makeCertificates(folder: string): Promise<void> {
  const path = (name: string): string => join(folder, name);
  const key = ['-newkey', 'ec', '-pkeyopt', 'ec_paramgen_curve:prime256v1', '-nodes'];
  const extensions = path('extensions');
  await writeFile(extensions, 'subjectAltName=IP:127.0.0.1,DNS:localhost\n');
  const subject = ['-subj', '/CN=keyturn test'];
  await run('openssl', [
    'req',
    '-x509',
    ...key,
    '-days',
    '2',
    ...subject,
    '-keyout',
    path('ca.key'),
    '-out',
    path('ca.pem'),
  ]);
  await run('openssl', [
    'req',
    ...key,
    ...subject,
    '-keyout',
    path('server.key'),
    '-out',
    path('server.csr'),
  ]);
  await run('openssl', [
    ...['x509', '-req', '-days', '2', '-in', path('server.csr'), '-out', path('server.pem')],
    ...['-CA', path('ca.pem'), '-CAkey', path('ca.key'), '-CAcreateserial', '-extfile', extensions],
  ]);
}
