import type { Estimate } from '../../inventory/estimate.ts';
import { bytes, count, thousands } from '../../report/count.ts';
import { span } from '../../report/time.ts';

/** An estimate in words; it never claims more than it knows. */
export function estimateLines(estimate: Estimate, window: string | undefined): string[] {
  const { targets, workers, rotationMs, verificationMs, growthBytes, digestBytes, leftBytes, windows } =
    estimate;
  const sampled = targets.reduce((sum, target) => sum + target.sampled, 0);
  const how = estimate.writesTimed
    ? 'writes timed here and rolled back'
    : 'writes at a rate measured elsewhere';
  return [
    `estimate, from ${count(sampled, 'sampled row')} on this machine with ${count(workers, 'worker')}, ${how}:`,
    `  time     rotation ${about(rotationMs)}, then verification ${about(verificationMs)}`,
    ...(windows === null
      ? []
      : [
          `  windows  ${windows === 1 ? 'one' : thousands(windows)} of ${window ?? ''}${windows === 1 ? '' : ', one after the other with keyturn resume'}`,
        ]),
    `  growth   the values by about ${bytes(growthBytes)}, keyturn's own tables by at least ${bytes(digestBytes)}`,
    ...(leftBytes === 0
      ? []
      : [
          `           old row versions take at least ${bytes(leftBytes)} more until PostgreSQL vacuums them away`,
        ]),
  ];
}

function about(ms: number): string {
  return ms < 1000 ? 'under a second' : `about ${span(Math.round(ms / 1000))}`;
}
