import { channel } from 'node:diagnostics_channel';

/** The steps of processing a chunk. Each is published before it begins; `renamed` is published afterwards. */
const chunkSteps = [
  'find',
  'read',
  'open',
  // Files only
  'intend',
  'keep',
  'rename',
  'renamed',
  'claim',
  'write',
  'complete',
  'commit',
  'acknowledge',
  'verify',
  'confirm',
] as const;
export type ChunkStep = (typeof chunkSteps)[number];

/** Message on the diagnostics channel `keyturn:chunk-step`. */
export interface ChunkStepMessage {
  readonly step: ChunkStep;
  readonly run: string;
  readonly chunk: number;
}

const steps = channel('keyturn:chunk-step');

/** For tracing, and for tests that stop a process at a certain step. Costs nothing without a subscriber. */
export function publishStep(step: ChunkStep, run: string, chunk: number): void {
  if (steps.hasSubscribers) steps.publish({ step, run, chunk } satisfies ChunkStepMessage);
}
