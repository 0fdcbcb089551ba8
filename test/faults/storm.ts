import { randomFrom, shuffled } from './random.ts';
import { type KeptKey, Rotation, type Weather } from './rotation.ts';
import type { Stage } from './stages.ts';

export interface StormOptions extends Weather {
  readonly faults: number;
  readonly credentials: number;
  readonly seed: number;
  /** Called after every run. */
  readonly tell?: (text: string) => void;
}

export interface Passed {
  readonly runs: number;
  /** The number of injected faults of each kind. */
  readonly faults: Readonly<Record<string, number>>;
  /** What is wrong. Empty when the result is the same as without faults. */
  readonly problems: readonly string[];
}

/** Rotates again and again, each time to another key, until this number of faults was injected. */
export async function storm({ engine, queue }: Stage, options: StormOptions): Promise<Passed> {
  const many = { credentials: options.credentials, instanceKey: 'the first key of a storm' };
  const random = randomFrom(options.seed);
  const faults: Record<string, number> = {};
  const problems: string[] = [];
  let left = options.faults;
  let runs = 0;
  let bag: string[] = [];
  const ground = await engine(many);
  try {
    const hands = await queue(ground);
    try {
      let kept: KeptKey = { key: many.instanceKey, secrets: null };
      while (left > 0 && problems.length === 0) {
        const rotation = await Rotation.start({ ground, hands, many }, kept, options, random);
        const { kinds } = rotation.faults;
        runs++;
        try {
          while (left > 0 && (await rotation.further())) {
            if (bag.length === 0) bag = shuffled(Object.keys(kinds), random);
            const kind = bag.pop() as string;
            if (!(await kinds[kind]?.())) continue;
            faults[kind] = (faults[kind] ?? 0) + 1;
            left--;
          }
          await rotation.over();
          problems.push(...(await rotation.problems()).map((problem) => `run ${runs}: ${problem}`));
          kept = rotation.kept;
          options.tell?.(`run ${runs} is over, ${left} faults left`);
        } finally {
          await rotation.close();
        }
      }
    } finally {
      await hands.close();
    }
  } finally {
    await ground.close();
  }
  return { runs, faults, problems };
}
