/**
 * Where a run stands. It has 18 chunks: 1 to 4 are the first five rows of account, mailbox, device and contact, 5 to 8
 * the next five of each, 9 to 12 the last two, 13 to 16 everything after them; 17 and 18 are app_key.
 * Each moment is reached from another one by a command, which is killed before a step of a chunk.
 */
export const moments = {
  'before the run': null,
  'halfway through the rotation': { after: 'before the run', words: 'rotate', killAt: 'claim:6' },
  'between rotation and verification': {
    after: 'halfway through the rotation',
    words: 'resume',
    killAt: 'verify:1',
  },
  'halfway through the verification': {
    after: 'between rotation and verification',
    words: 'resume',
    killAt: 'verify:6',
  },
  'after the run': { after: 'halfway through the verification', words: 'resume' },
  /** account 100 was inserted under the old key; the verifier has found it in chunk 13. */
  'once a late row is found': {
    after: 'between rotation and verification',
    late: true,
    words: 'resume',
    killAt: 'verify:17',
  },
  'once a sweep is planned': {
    after: 'between rotation and verification',
    late: true,
    words: 'resume',
    killAt: 'claim:19',
  },
  'once a sweep is rotated': {
    after: 'between rotation and verification',
    late: true,
    words: 'resume',
    killAt: 'acknowledge:19',
  },
  /** account 7 is under an unknown key. */
  'stopped at an exception': { after: 'before the run', unknownKey: true, words: 'rotate' },
  'after a run with an exception': {
    after: 'before the run',
    unknownKey: true,
    words: 'rotate --on-exception skip',
  },
  /** account 7 was corrupted, and the verification found it. */
  'after a failed verification': {
    after: 'between rotation and verification',
    garbled: true,
    words: 'resume',
  },
} as const;

export type Moment = keyof typeof moments;

export interface Way {
  readonly after: Moment;
  readonly words: string;
  readonly killAt?: string;
  readonly late?: true;
  readonly unknownKey?: true;
  readonly garbled?: true;
}

export const lateRow = { place: 'account 100 secret', plain: 'plain-account-100-of-a-secret' };
