import { contentsOf } from './contents.ts';
import { linesOf, paragraph, section, title } from './layout.ts';
import type { Report } from './report.ts';

/** The report for a terminal, an e-mail and a print-out. */
export function reportText(report: Report): string {
  const { title: heading, verdict, summary, sections } = contentsOf(report);
  const lines = [
    ...title(heading),
    ...linesOf([...paragraph(verdict), { kind: 'gap' }, ...summary]),
    ...sections.flatMap((each) => section(each.heading, each.body)),
  ];
  return `${lines.join('\n')}\n`;
}
