// Writes jobs/job.schema.json from the zod schema of the built package: npm run build && node scripts/job-schema.mjs
import { execFileSync } from 'node:child_process';
import { writeFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { fileURLToPath } from 'node:url';
import { jobJsonSchema } from '../dist/job/schema.js';

const path = fileURLToPath(new URL('../jobs/job.schema.json', import.meta.url));
writeFileSync(path, JSON.stringify(jobJsonSchema(), null, 2));
const biome = createRequire(import.meta.url).resolve('@biomejs/biome/bin/biome');
execFileSync(process.execPath, [biome, 'format', '--write', path], { stdio: 'inherit' });
