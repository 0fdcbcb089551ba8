import { channel } from 'node:diagnostics_channel';

/** The numbered steps of a chunk's life (docs/architecture.md), each published before it is taken; `renamed` after. */
const chunkSteps = [
  'find',
  'read',
  'open',
  // Of files only
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

/** For tracing, and for tests that stop a process at a step on purpose. Costs nothing when nobody listens. */
export function publishStep(step: ChunkStep, run: string, chunk: number): void {
  if (steps.hasSubscribers) steps.publish({ step, run, chunk } satisfies ChunkStepMessage);
}
