import type { DerivedSecrets, DerivedSource } from '../checkpoint/derived-secrets.ts';
import { type Block, bullets, gap, labelled, paragraph } from './layout.ts';
import type { Report } from './report.ts';

/** Each secret that the application derives from its key, and where the value in use is. */
export function derivedLines(
  title: string,
  { file, earlierFile, secrets, environmentGiven }: DerivedSecrets,
): (readonly [setting: string, text: string])[] {
  const saved = file === null ? '' : `; saved in ${file}`;
  const texts: Readonly<Record<DerivedSource, string>> = {
    row: 'in a row of the database',
    environment: `set in the environment of ${title}: keep it set`,
    'earlier-run': `saved by an earlier run in ${earlierFile ?? 'a file'}${saved}: keep it set`,
    'current-key': environmentGiven
      ? `derived from the old key${saved}`
      : `derived from the old key, unless the environment of ${title} sets it${saved}`,
  };
  return secrets.map(({ setting, source }) => [setting, texts[source]] as const);
}

export function derivedSection({ job, inventory: { derivedSecrets } }: Report): Block[] {
  if (derivedSecrets === null) return [];
  const { file } = derivedSecrets;
  return [
    ...labelled('File', file ?? 'none'),
    ...derivedLines(job.title, derivedSecrets).flatMap(([setting, text]) => bullets([`${setting}: ${text}`])),
    ...(file === null
      ? []
      : [
          gap,
          ...paragraph(
            `Set only those that the environment of ${job.title} does not set already, and keep them set for good.`,
          ),
        ]),
  ];
}
