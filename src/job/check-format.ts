import { partOf } from '../formats/aes-gcm-layout.ts';
import { formatOf } from '../formats/registry.ts';
import { checkDescription } from './check-description.ts';
import type { FormatFile } from './format-schema.ts';
import type { Problem } from './problem.ts';
import type { JobFile } from './schema.ts';

interface Use {
  readonly format: FormatFile;
  readonly path: readonly PropertyKey[];
}

/** Checks what a schema cannot: that formats exist, that AES-GCM layouts are valid, that formats accept the key. */
export function checkFormats(job: JobFile, names: readonly string[]): Problem[] {
  const uses: Use[] = [
    ...job.sourceKeys.map(({ format }, i) => ({ format, path: ['sourceKeys', i, 'format'] })),
    ...job.canary.map(({ format }, i) => ({ format, path: ['canary', i, 'format'] })),
    ...(['text', 'binary'] as const).flatMap((part) => {
      const format = job.everywhere?.[part];
      return format === undefined ? [] : [{ format, path: ['everywhere', part] }];
    }),
    ...(job.files === undefined ? [] : [{ format: job.files.format, path: ['files', 'format'] }]),
    ...job.phases.flatMap(({ targets }, p) =>
      targets.flatMap(({ fields }, t) =>
        fields.map(({ format }, f) => ({
          format,
          path: ['phases', p, 'targets', t, 'fields', f, 'format'],
        })),
      ),
    ),
  ];
  const problems = uses.flatMap((use) => checkFormat(use, names));
  return problems.length > 0
    ? problems
    : [...checkFiles(job), ...checkPlaintexts(job), ...checkLengths(job, uses)];
}

/** A format in which every key opens every value: only the plaintext can tell. */
function checkPlaintexts(job: JobFile): Problem[] {
  const parts = [
    ...job.canary.map((part, i) => ({ part, path: ['canary', i] })),
    ...(job.files === undefined ? [] : [{ part: job.files, path: ['files'] }]),
    ...job.phases.flatMap(({ targets }, p) =>
      targets.flatMap(({ fields }, t) =>
        fields.map((part, f) => ({ part, path: ['phases', p, 'targets', t, 'fields', f] })),
      ),
    ),
  ];
  return parts
    .filter(({ part: { format, plaintext } }) => plaintext === 'any' && formatOf(format).odds === 1)
    .map(({ path }) => ({
      path: [...path, 'plaintext'],
      message:
        'is required, utf8 or json: in this format every key decrypts every value, so only the plaintext can tell',
    }));
}

/** A format for whole files is streamed, and cannot look into them; a file is text for any other format. */
function checkFiles({ files }: JobFile): Problem[] {
  if (files === undefined) return [];
  const format = formatOf(files.format);
  if (format.files !== undefined)
    return files.document === 'text' && files.plaintext === 'any' && !files.trim && files.lines === undefined
      ? []
      : [
          {
            path: ['files', 'document'],
            message: `cannot be used with ${format.name}: the whole file is encrypted`,
          },
        ];
  if (format.carries === 'text' && files.document !== 'gzip') return [];
  return [
    { path: ['files', 'format'], message: 'must be a format for text, or for whole files: octopus-stream' },
  ];
}

export function checkFormat({ format, path }: Use, names: readonly string[]): Problem[] {
  if (typeof format !== 'string')
    return 'aes-gcm' in format
      ? checkLayout(format['aes-gcm'], [...path, 'aes-gcm'])
      : checkDescription(format.described, [...path, 'described']);
  if (names.includes(format)) return [];
  const message =
    format === 'aes-gcm'
      ? 'aes-gcm needs its layout: { aes-gcm: { layout: [nonce 12, ciphertext, tag 16] } }'
      : `unknown format: ${format} (keyturn formats lists the known ones; aes-gcm and described need a layout)`;
  return [{ path, message }];
}

/** Lengths that AES-GCM allows: NIST SP 800-38D, 5.2.1. A nonce of fewer than 64 bits would soon repeat. */
const allowed = {
  nonce: { least: 8, most: 64 },
  tag: { least: 12, most: 16 },
} as const;

function checkLayout(
  { layout, encoding, separator }: Extract<FormatFile, { 'aes-gcm': unknown }>['aes-gcm'],
  path: readonly PropertyKey[],
): Problem[] {
  const parts = layout.map(partOf);
  const counts = (['nonce', 'ciphertext', 'tag'] as const).flatMap((name) => {
    const count = parts.filter((part) => part.name === name).length;
    const message = `${name} is ${count === 0 ? 'missing' : 'repeated'}; a layout has one nonce, one ciphertext and one tag`;
    return count === 1 ? [] : [{ path: [...path, 'layout'], message }];
  });
  const lengths = parts.flatMap(({ name, bytes }, i) => {
    if (name === 'ciphertext' || bytes === null) return [];
    const { least, most } = allowed[name];
    const message = `a ${name} must have ${least} to ${most} bytes`;
    return bytes < least || bytes > most ? [{ path: [...path, 'layout', i], message }] : [];
  });
  const separated =
    encoding === 'raw' && separator !== ''
      ? [
          {
            path: [...path, 'separator'],
            message: 'cannot be used with raw: raw bytes can contain any separator',
          },
        ]
      : [];
  return [...counts, ...lengths, ...separated];
}

/** Reports one problem for the key, however many formats do not accept it. */
function checkLengths({ key }: JobFile, uses: readonly Use[]): Problem[] {
  const needs = uses
    .map(({ format }) => formatOf(format))
    .find(({ keyLengths }) => !allowsKey(key, keyLengths));
  if (needs === undefined) return [];
  const lengths = (needs.keyLengths ?? []).join(' or ');
  return [
    key.form === 'text'
      ? { path: ['key', 'form'], message: `must be base64, base64url or hex: ${needs.name} needs a raw key` }
      : { path: ['key', 'bytes'], message: `must be ${lengths}: ${needs.name} accepts no other length` },
  ];
}

function allowsKey({ form, bytes }: JobFile['key'], lengths: readonly number[] | undefined): boolean {
  if (lengths === undefined) return true;
  return form !== 'text' && bytes !== undefined && bytes.every((length) => lengths.includes(length));
}
