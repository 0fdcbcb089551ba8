import { partOf } from '../formats/aes-gcm-layout.ts';
import { keyNames } from '../formats/described/key-steps.ts';
import { descriptionOf, formatOf } from '../formats/registry.ts';
import { checkDescription } from './check-description.ts';
import type { FormatFile } from './format-schema.ts';
import type { Problem } from './problem.ts';
import type { JobFile } from './schema.ts';

interface Use {
  readonly format: FormatFile;
  readonly path: readonly PropertyKey[];
  /** The further key that its values are under. */
  readonly key?: string | undefined;
}

/** Checks what a schema cannot: that formats exist, that AES-GCM layouts are valid, that formats accept the key. */
export function checkFormats(job: JobFile, names: readonly string[]): Problem[] {
  const uses: Use[] = [
    ...job.sourceKeys.map(({ format }, i) => ({ format, path: ['sourceKeys', i, 'format'] })),
    ...(['text', 'binary'] as const).flatMap((part) => {
      const format = job.everywhere?.[part];
      return format === undefined ? [] : [{ format, path: ['everywhere', part] }];
    }),
    ...(job.files === undefined ? [] : [{ format: job.files.format, path: ['files', 'format'] }]),
    ...keyedParts(job).map(({ part: { format, key }, path }) => ({ format, key, path: [...path, 'format'] })),
    ...keyedParts(job).flatMap(({ part, path }) =>
      'becomes' in part && typeof part.becomes === 'object'
        ? [{ format: part.becomes.format, key: part.key, path: [...path, 'becomes', 'format'] }]
        : [],
    ),
  ];
  const problems = [...uses.flatMap((use) => checkFormat(use, names)), ...checkKeyNames(job)];
  return problems.length > 0
    ? problems
    : [...checkFiles(job), ...checkPlaintexts(job), ...checkLengths(job, uses), ...checkChanges(job)];
}

/** Every further key that a field or a format names is one of the job, and every one of the job is used. */
function checkKeyNames(job: JobFile): Problem[] {
  const { keys = {} } = job;
  const used = new Set<string>();
  const problems: Problem[] = [];
  for (const { part, path } of keyedParts(job)) {
    for (const name of [...(part.key === undefined ? [] : [part.key]), ...keyNamesIn(part.format)]) {
      used.add(name);
      if (Object.hasOwn(keys, name)) continue;
      problems.push({
        path: [...path, part.key === name ? 'key' : 'format'],
        message: `needs the key ${name}: declare it in keys, such as keys: { ${name}: { form: text, generate: { bytes: 32, as: base64 } } }`,
      });
    }
  }
  const unused = Object.keys(keys).filter((name) => !used.has(name));
  return [
    ...problems,
    ...unused.map((name) => ({ path: ['keys', name], message: 'no field and no format uses it' })),
  ];
}

function keyNamesIn(format: FormatFile): string[] {
  const description = descriptionOf(format);
  return description === undefined ? [] : keyNames(description);
}

function keyedParts(job: JobFile) {
  return [
    ...job.canary.map((part, i) => ({ part, path: ['canary', i] as readonly PropertyKey[] })),
    ...job.phases.flatMap(({ targets }, p) =>
      targets.flatMap(({ fields }, t) =>
        fields.map((part, f) => ({ part, path: ['phases', p, 'targets', t, 'fields', f] })),
      ),
    ),
  ];
}

/** What a change of format cannot do. */
function checkChanges(job: JobFile): Problem[] {
  return job.phases.flatMap(({ targets }, p) =>
    targets.flatMap(({ fields }, t) =>
      fields.flatMap(({ format: old, becomes, plaintext, document }, f) => {
        if (typeof becomes !== 'object') return [];
        const [before, after] = [formatOf(old), formatOf(becomes.format)];
        const path = ['phases', p, 'targets', t, 'fields', f, 'becomes', 'format'];
        const columns = [old, becomes.format].map((each) => descriptionOf(each)?.columns?.length ?? 1);
        const message =
          before.carries !== after.carries
            ? `stores ${after.carries}, and ${before.name} stores ${before.carries}`
            : columns[0] !== columns[1]
              ? 'has its parts in another number of columns'
              : before.needs !== undefined || after.needs !== undefined
                ? 'cannot be used yet where a format depends on the row'
                : document === 'within'
                  ? 'cannot be used with document: within'
                  : before === after
                    ? 'is the format that the values have'
                    : after.odds === 1 && plaintext === 'any'
                      ? 'needs plaintext: utf8 or json: in it every key decrypts every value'
                      : null;
        return message === null ? [] : [{ path, message }];
      }),
    ),
  );
}

/** A format in which every key opens every value: only the plaintext can tell. */
function checkPlaintexts(job: JobFile): Problem[] {
  const files = job.files === undefined ? [] : [{ part: job.files, path: ['files'] }];
  return [...keyedParts(job), ...files]
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

/** Reports one problem for each key, however many formats do not accept it. */
function checkLengths(job: JobFile, uses: readonly Use[]): Problem[] {
  const keys = [undefined, ...Object.keys(job.keys ?? {})];
  return keys.flatMap((name) => {
    const shape = name === undefined ? job.key : job.keys?.[name];
    const path = name === undefined ? ['key'] : ['keys', name];
    const needs = uses
      .filter(({ key }) => key === name)
      .map(({ format }) => formatOf(format))
      .find(({ keyLengths }) => shape !== undefined && !allowsKey(shape, keyLengths));
    if (needs === undefined) return [];
    const lengths = (needs.keyLengths ?? []).join(' or ');
    return shape?.form === 'text'
      ? [
          {
            path: [...path, 'form'],
            message: `must be base64, base64url or hex: ${needs.name} needs a raw key`,
          },
        ]
      : [{ path: [...path, 'bytes'], message: `must be ${lengths}: ${needs.name} accepts no other length` }];
  });
}

function allowsKey({ form, bytes }: JobFile['key'], lengths: readonly number[] | undefined): boolean {
  if (lengths === undefined) return true;
  return form !== 'text' && bytes !== undefined && bytes.every((length) => lengths.includes(length));
}
