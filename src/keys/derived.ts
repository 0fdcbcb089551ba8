import { createHash } from 'node:crypto';
import { KeyturnError } from '../error.ts';

/**
 * Secrets that an application derives from its master key, and so would lose with it, by the name a job calls them.
 * n8n: read in its published packages, and equal to what n8n 2.41.1 stored in `deployment_key` of the fixtures.
 */
const derivations: ReadonlyMap<string, (keyText: string) => string> = new Map([
  ['n8n-instance-id', (key: string) => sha256(key.slice(Math.round(key.length / 2)), 'hex')],
  ['n8n-hmac', (key: string) => sha256(`hmac-signature:${key}`, 'hex')],
  ['n8n-jwt', (key: string) => sha256(evenUnits(key), 'hex')],
  ['n8n-binary-data', (key: string) => sha256(`url-signing:${key}`, 'base64')],
]);

/** How the named secret follows from the master key's text. Its results are live secrets: never logged, never reported. */
export function derivation(name: string): (keyText: string) => string {
  const derive = derivations.get(name);
  if (derive === undefined) {
    throw new KeyturnError('job-invalid', `unknown derived secret "${name}"`, {
      hint: `known derived secrets: ${[...derivations.keys()].join(', ')}`,
    });
  }
  return derive;
}

/** UTF-16 units at even indexes, as n8n indexes its key string. */
function evenUnits(text: string): string {
  let even = '';
  for (let i = 0; i < text.length; i += 2) even += text.charAt(i);
  return even;
}

function sha256(text: string, encoding: 'hex' | 'base64'): string {
  return createHash('sha256').update(text, 'utf8').digest(encoding);
}
