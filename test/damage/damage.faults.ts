import { damages, type Kind, kinds } from './suite.ts';

for (const engine of ['sqlite', 'postgres'] as const)
  damages(engine, Object.keys(kinds) as Kind[], () => true);
