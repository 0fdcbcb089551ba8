import { traitsOf } from '../formats/described/cipher.ts';
import { complete } from '../formats/described/description.ts';
import { type Part, type PartName, partNames } from '../formats/described/piece.ts';
import { lengthOf, Shape } from '../formats/described/shape.ts';
import type { DescribedFile } from './described-schema.ts';
import type { Problem } from './problem.ts';

/** Checks what a schema cannot: that the parts are those that the cipher, the MAC and the key id need. */
export function checkDescription(file: DescribedFile, path: readonly PropertyKey[]): Problem[] {
  const problem = (at: readonly PropertyKey[], message: string): Problem => ({
    path: [...path, ...at],
    message,
  });
  const shapes = (['parts', 'separated', 'json', 'columns'] as const).filter(
    (name) => file[name] !== undefined,
  );
  if (shapes.length !== 1)
    return [
      problem([], 'needs exactly one of parts, separated, json and columns: where the parts of a value are'),
    ];
  if (file.columns !== undefined && file.layers.length > 0)
    return [problem(['layers'], 'cannot be used with columns: each column has an encoding of its own')];
  let shape: Shape;
  try {
    shape = new Shape(complete(file));
  } catch (error) {
    if (error instanceof RangeError) return [problem([shapes[0] ?? ''], error.message)];
    throw error;
  }
  const { parts } = shape;
  const open = shape.pieces.filter((piece) => lengthOf(piece) === null);
  if (file.separated?.by === '' && open.length !== 1)
    return [problem(['separated', 'by'], 'may be empty only if all parts but one have a length')];
  if (JSON.stringify(file.aad).includes('"part"') && !parts.some(({ name }) => name === 'kept'))
    return [problem(['aad'], 'needs the part kept')];
  return [...checkParts(file, parts, problem), ...checkUse(file, parts, problem)];
}

type Report = (at: readonly PropertyKey[], message: string) => Problem;

function checkParts(file: DescribedFile, parts: readonly Part[], problem: Report): Problem[] {
  const at = [
    (['parts', 'separated', 'json', 'columns'] as const).find((name) => file[name] !== undefined) ?? 'parts',
  ];
  const count = (name: PartName): number => parts.filter((part) => part.name === name).length;
  const lengthOf = (name: PartName): number | null => parts.find((part) => part.name === name)?.bytes ?? null;
  const { ivBytes, anyIv, tagged } = traitsOf(file.cipher);
  const problems = partNames
    .filter((name) => count(name) > 1)
    .map((name) => problem(at, `${name} is repeated`));
  if (count('ciphertext') === 0) problems.push(problem(at, 'ciphertext is missing'));
  if (parts.filter((part) => part.bytes === null).length > 1 && file.parts !== undefined)
    problems.push(problem(at, 'only one part may be without a length'));
  const hasOtherIv = file.iv !== undefined && ('hex' in file.iv || 'key' in file.iv);
  if (ivBytes > 0 && count('iv') === 0 && !hasOtherIv)
    problems.push(
      problem(at, `iv is missing: ${file.cipher} needs one, as a part or by iv: { hex: … } or { key: … }`),
    );
  if (count('iv') > 0 && (ivBytes === 0 || (!anyIv && lengthOf('iv') !== ivBytes)))
    problems.push(
      problem(at, `${file.cipher} ${ivBytes === 0 ? 'has no iv' : `needs an iv of ${ivBytes} bytes`}`),
    );
  if (tagged !== count('tag') > 0)
    problems.push(
      problem(at, tagged ? `tag is missing: ${file.cipher} has one` : `${file.cipher} has no tag`),
    );
  const tag = lengthOf('tag');
  if (tagged && tag !== null && (tag < 12 || tag > 16))
    problems.push(problem(at, 'a tag must have 12 to 16 bytes'));
  return problems;
}

function checkUse(file: DescribedFile, parts: readonly Part[], problem: Report): Problem[] {
  const has = (name: PartName): boolean => parts.some((part) => part.name === name);
  const problems: Problem[] = [];
  const pair = (part: PartName, word: string, given: boolean, why: string): void => {
    if (has(part) && !given) problems.push(problem([], `the part ${part} needs ${word}: ${why}`));
    if (!has(part) && given) problems.push(problem([word], `needs the part ${part}`));
  };
  pair('mac', 'mac', file.mac !== undefined, 'what it covers, and its hash');
  pair('key-id', 'keyId', file.keyId !== undefined, 'how it follows from the key');
  const salted = JSON.stringify([file.key, file.iv, file.mac]).includes('{"part":"salt"}');
  if (has('salt') !== salted)
    problems.push(
      problem(
        ['key'],
        salted
          ? 'uses the part salt, which is missing'
          : 'does not use the part salt: call it kept, or use it in a step',
      ),
    );
  for (const part of file.mac?.over ?? []) {
    if (typeof part === 'object' || part === 'before') continue;
    const [name = '', as] = part.split(' ');
    if (!has(name as PartName) || (as !== undefined && as !== 'text'))
      problems.push(
        problem(['mac', 'over'], `"${part}" is not a part; write its name, or its name and "text"`),
      );
  }
  return problems;
}
