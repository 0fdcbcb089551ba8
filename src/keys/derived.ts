import { createHash } from 'node:crypto';
import { KeyturnError } from '../error.ts';

/**
 * Secrets that an application derives from its master key and would lose with it, by their names in job files.
 * n8n: taken from its published packages; the results match what n8n 2.41.1 stored in `deployment_key` of the fixtures.
 */
const derivations: ReadonlyMap<string, (keyText: string) => string> = new Map([
  ['n8n-instance-id', (key: string) => sha256(key.slice(Math.round(key.length / 2)), 'hex')],
  ['n8n-hmac', (key: string) => sha256(`hmac-signature:${key}`, 'hex')],
  ['n8n-jwt', (key: string) => sha256(evenUnits(key), 'hex')],
  ['n8n-binary-data', (key: string) => sha256(`url-signing:${key}`, 'base64')],
]);

/** Derives the named secret from the master key's text. The result is a live secret: never log or report it. */
export function derivation(name: string): (keyText: string) => string {
  const derive = derivations.get(name);
  if (derive === undefined) {
    throw new KeyturnError('job-invalid', `unknown derived secret "${name}"`, {
      hint: `known derived secrets: ${[...derivations.keys()].join(', ')}`,
    });
  }
  return derive;
}

/** UTF-16 code units at even indexes: n8n indexes its key as a JavaScript string. */
function evenUnits(text: string): string {
  let even = '';
  for (let i = 0; i < text.length; i += 2) even += text.charAt(i);
  return even;
}

function sha256(text: string, encoding: 'hex' | 'base64'): string {
  return createHash('sha256').update(text, 'utf8').digest(encoding);
}
