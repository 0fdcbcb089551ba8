import type { Estimate } from '../../inventory/estimate.ts';
import { bytes, count, thousands } from '../../report/count.ts';
import { span } from '../../report/time.ts';

/** An estimate as text. */
export function estimateLines(estimate: Estimate, window: string | undefined): string[] {
  const { targets, workers, rotationMs, verificationMs, growthBytes, digestBytes, leftBytes, windows } =
    estimate;
  const sampled = targets.reduce((sum, target) => sum + target.sampled, 0);
  const writes = estimate.writesTimed
    ? 'write rate measured here and rolled back'
    : 'write rate measured on another machine';
  return [
    `estimate from ${count(sampled, 'sampled row')} on this machine with ${count(workers, 'worker')}, ${writes}:`,
    `  time     rotation ${about(rotationMs)}, then verification ${about(verificationMs)}`,
    ...(windows === null
      ? []
      : [
          `  windows  ${thousands(windows)} of ${window ?? ''}${windows === 1 ? '' : ', one after the other with keyturn resume'}`,
        ]),
    `  growth   about ${bytes(growthBytes)} for the values, at least ${bytes(digestBytes)} for keyturn's own tables`,
    ...(leftBytes === 0
      ? []
      : [`           at least ${bytes(leftBytes)} for old row versions, until the tables are vacuumed`]),
  ];
}

function about(ms: number): string {
  return ms < 1000 ? 'less than 1 s' : `about ${span(Math.round(ms / 1000))}`;
}
