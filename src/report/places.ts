import type { Rules } from '../job/job.ts';
import { thousands } from './count.ts';
import { type Block, bullets, gap, paragraph, table } from './layout.ts';

/** Where a job that searches by shape found strings of its formats before the first change, and which rules applied. */
export interface Places extends Rules {
  readonly found: readonly {
    /** Table.Column.path, with [] for array items. */
    readonly place: string;
    readonly document: string;
    readonly format: string;
    readonly values: number;
    readonly undecided: number;
    readonly lookAlikes: number;
    readonly exceptions: number;
  }[];
  /** Places where some values can be decrypted and others look encrypted but cannot, as sentences. */
  readonly sealedOtherwise: readonly string[];
}

export function placesSection({ sensitive, decisions, certain, found, sealedOtherwise }: Places): Block[] {
  const known = [
    ...sensitive.map(sensitiveText),
    ...certain.map((place) => `${place} (all of its many values can be decrypted)`),
    ...decisions.map(({ place, as }) => `${place} (--decide: ${as})`),
  ];
  return [
    ...paragraph('Rules for a string that has the shape of ciphertext, in this order:'),
    ...bullets([
      'it decrypts to text, a certificate or a private key: rotated',
      `it is in a known sensitive place: rotated if it can be decrypted, otherwise an exception. Known: ${known.length === 0 ? 'none' : known.join('; ')}`,
      'it cannot be decrypted: a look-alike, left unchanged',
      'it decrypts to anything else (by chance 1 in 255): undecided, left unchanged',
    ]),
    gap,
    ...table(
      ['place', 'in', 'values', 'undecided', 'look-alikes', 'exceptions'],
      found.map(({ place, document, values, undecided, lookAlikes, exceptions }) => [
        place,
        document === 'text' ? 'whole' : document === 'gzip' ? 'gzip' : 'text',
        ...[values, undecided, lookAlikes, exceptions].map(thousands),
      ]),
      'left',
    ),
    ...(sealedOtherwise.length === 0 ? [] : [gap, ...bullets(sealedOtherwise.map((each) => `${each}.`))]),
  ];
}

function sensitiveText(rule: Rules['sensitive'][number]): string {
  if ('place' in rule) return rule.place;
  if ('members' in rule) return `in a member named ${rule.members.join(', ')}`;
  const siblings = Object.entries(rule.sibling).map(([name, value]) => `${name}: ${String(value)}`);
  return `next to ${siblings.join(', ')}`;
}
