import { createCipheriv, createDecipheriv } from 'node:crypto';
import { readFileSync } from 'node:fs';
import { KeyturnError } from '../error.ts';

/** Where Octopus Server on Linux takes the key from with which it encrypts secrets in its configuration file. */
export interface MachineFiles {
  /** `<base64 key>.<base64 IV>`, made by Octopus Server. */
  readonly machineKey?: string | undefined;
  /** 32 characters, made by the system. */
  readonly machineId?: string | undefined;
}

export const thisMachine = {
  machineKey: '/etc/octopus/machinekey',
  machineId: '/etc/machine-id',
} as const;

/** AES-256-CBC over the value as a JSON string; the result is base64. */
export interface Protection {
  readonly file: string;
  readonly key: Buffer;
  readonly iv: Buffer;
}

/** The fixed IV that goes with the machine id. */
const idIv = Buffer.from('743677397A244326', 'latin1');

/** What this machine has, in the order in which Octopus Server tries them. */
export function protectionsOf({ machineKey, machineId }: MachineFiles): Protection[] {
  const protections: Protection[] = [];
  const pair = textOf(machineKey)?.split('.');
  if (machineKey !== undefined && pair !== undefined) {
    const [key, iv] = [Buffer.from(pair[0] ?? '', 'base64'), Buffer.from(pair[1] ?? '', 'base64')];
    if (pair.length !== 2 || key.length !== 32 || iv.length !== 16)
      throw refused(
        `${machineKey} is not a machine key of Octopus Server`,
        'name the right file with --machine-key',
      );
    protections.push({ file: machineKey, key, iv });
  }
  const id = textOf(machineId);
  if (machineId !== undefined && id !== undefined) {
    if (!/^[0-9a-f]{32}$/i.test(id))
      throw refused(
        `${machineId} does not contain a machine id of 32 characters`,
        'name the right file with --machine-id',
      );
    protections.push({ file: machineId, key: Buffer.from(id, 'latin1'), iv: idIv });
  }
  return protections;
}

/** The plaintext, and the protection that decrypts it; undefined: none does. */
export function unprotect(
  stored: string,
  protections: readonly Protection[],
): { readonly plain: string; readonly by: Protection } | undefined {
  for (const by of protections) {
    try {
      const decipher = createDecipheriv('aes-256-cbc', by.key, by.iv);
      const bytes = Buffer.concat([decipher.update(Buffer.from(stored, 'base64')), decipher.final()]);
      // Padding alone accepts a wrong key for 1 value in 255; a JSON string hardly ever
      const plain: unknown = JSON.parse(bytes.toString('utf8'));
      if (typeof plain === 'string') return { plain, by };
    } catch {
      // Not with this one
    }
  }
  return undefined;
}

export function protect(plain: string, { key, iv }: Protection): string {
  const cipher = createCipheriv('aes-256-cbc', key, iv);
  return Buffer.concat([cipher.update(JSON.stringify(plain), 'utf8'), cipher.final()]).toString('base64');
}

/** The provider that every DPAPI blob names. */
const dpapi = Buffer.from('01000000d08c9ddf0115d1118c7a00c04fc297eb', 'hex');

/** Windows encrypted it, so only that machine can decrypt it. */
export function isDpapi(stored: string): boolean {
  return Buffer.from(stored, 'base64').subarray(0, dpapi.length).equals(dpapi);
}

/** Undefined: there is no such file. */
function textOf(path: string | undefined): string | undefined {
  if (path === undefined) return undefined;
  try {
    return readFileSync(path, 'utf8').trim();
  } catch (cause) {
    const { code, message } = cause as NodeJS.ErrnoException;
    if (code === 'ENOENT' || code === 'ENOTDIR') return undefined;
    throw refused(
      `cannot read ${path}: ${code ?? message}`,
      'run keyturn as the user who runs Octopus Server',
      cause,
    );
  }
}

function refused(message: string, hint: string, cause?: unknown): KeyturnError {
  return new KeyturnError('config-unreadable', message, { hint, cause });
}
