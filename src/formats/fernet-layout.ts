const timeAt = 1;
const ivAt = timeAt + 8;

/** Where the parts of a Fernet token are (fernet.ts). Offsets and lengths in bytes. */
export const fernetLayout = {
  version: 0x80,
  timeAt,
  ivAt,
  sealedAt: ivAt + 16,
  macBytes: 32,
  /** The version and the high bytes of any time before 2106. The next character contains bits of the time. */
  beginning: 'gAAAAA',
} as const;
